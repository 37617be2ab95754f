import * as v from 'valibot'

/** The longest description of an instance that is read, in bytes; its secrets may have 128 KiB each. */
export const CARRIED_MAX = 4 * 1024 * 1024

const carried = v.strictObject({
  v: v.literal(1),
  /** What mux.yaml says of the instance itself, less what its secret settings name. */
  entry: v.record(v.string(), v.unknown()),
  /** The values of its secret settings, by setting. */
  secrets: v.record(v.string(), v.string()),
})

/**
 * What makes an instance itself, on its way from one host to another: never a record of the registry, and never kept. What it
 * has from `app` is said by the mux.yaml of where it arrives.
 */
export type CarriedInstance = v.InferOutput<typeof carried>

/** @returns undefined for anything but one of this version */
export function decodeCarriedInstance(text: string): CarriedInstance | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const result = v.safeParse(carried, value)
  return result.success ? result.output : undefined
}
