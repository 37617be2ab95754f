import type { Side } from './operations/compare-registries.ts'
import type { CopyResult, Counts } from './operations/copy-registry.ts'
import type { DescribedDifference } from './operations/describe-difference.ts'
import { CLOUDFLARE_API, type KvNamespace } from './kv-namespace.ts'
import * as render from './render.ts'

const WHERE: Record<Side, string> = { here: 'here', kv: 'in KV' }

/** Which registry in Workers KV is read or written. */
export function kvNamespace({ account, namespace, baseUrl }: KvNamespace): string {
  const by = baseUrl === CLOUDFLARE_API ? '' : `, by way of ${baseUrl}`
  return `KV namespace ${namespace} of account ${account}${by}`
}

/** So many records of each kind: `3 users, 1 token`. */
export function recordCounts(counts: Counts): string {
  return render.list(
    Object.entries(counts).map(([kind, number]) => `${number} ${kind}${number === 1 ? '' : 's'}`),
  )
}

/** What was copied to a side, and what was not. */
export function copied({ written, removed, unusable }: CopyResult, to: Side): string {
  const done = [
    ...(isEmpty(written) ? [] : [`wrote ${recordCounts(written)}`]),
    ...(isEmpty(removed) ? [] : [`removed ${recordCounts(removed)}`]),
  ]
  const head = done.length === 0 ? 'There was nothing to copy.' : `Done ${WHERE[to]}: ${done.join(', ')}.`
  return unusable.length === 0
    ? head
    : `${head}\nLeft as they are, because they cannot be used: ${render.list(unusable)}.`
}

export function differences(found: readonly DescribedDifference[]): string {
  if (found.length === 0) return 'Nothing differs.'
  return render.table(
    [
      { header: 'kind', value: ({ kind }) => kind },
      { header: 'name', value: ({ name }) => name },
      { header: 'difference', value: differenceText },
    ],
    found,
  )
}

function differenceText({ only, fields, later, unusable }: DescribedDifference): string {
  return [
    ...(only === null ? [] : [`only ${WHERE[only]}`]),
    ...(fields.length === 0 ? [] : [fields.join(', ')]),
    ...(later === null ? [] : [`later ${WHERE[later]}`]),
    ...unusable.map((side) => `cannot be used ${WHERE[side]}`),
  ].join('; ')
}

function isEmpty(counts: Counts): boolean {
  return Object.keys(counts).length === 0
}
