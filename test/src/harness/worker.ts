import { startAccounts } from '../../../packages/edge/src/registry/fixtures/kv-explorer.ts'
import { ACCOUNT, NAMESPACE, TOKEN } from '../../../packages/edge/src/registry/fixtures/kv-rest.ts'
import { CommandLines } from './command-lines.ts'
import { startHost } from './host.ts'
import { conformanceYaml, type Layout, LEDGER } from './layout.ts'
import { leave } from './nothing-left.ts'
import { passwordOf, Project } from './project.ts'
import { plantRecord, plantUser, readRecords } from './registry.ts'
import { CACHE_SECONDS, startWorkerd } from './workerd.ts'

/** The other way: the real Worker bundle in workerd with a KV namespace, before the gateway of a host. */
export async function workerLayout(): Promise<Layout> {
  const project = await Project.create('')
  await project.write('mux.yaml', conformanceYaml(project.path(LEDGER)))
  const { running, edgeKey } = await startHost(project)
  const { url, registry, ...workerd } = await startWorkerd(edgeKey)
  const api = await startAccounts(workerd.entry)
  const lines = await CommandLines.start(project, {
    CLOUDFLARE_API_BASE_URL: api.url,
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    MUX_KV_NAMESPACE: NAMESPACE,
    CLOUDFLARE_API_TOKEN: TOKEN,
  })
  const valuesInKv = async () => {
    const { keys } = await registry.list()
    return new Map(await Promise.all(keys.map(async ({ name }) => [name, await registry.get(name)] as const)))
  }

  const push = async () => {
    const before = await valuesInKv()
    await lines.must(['registry', 'push', '--yes'])
    const after = await valuesInKv()
    // No test asks for a user or an instance before it has added them, so the Worker can't hold that they are absent.
    const isOther = (name: string) => before.get(name) !== after.get(name)
    const isHeld = (name: string) => before.has(name) || name.startsWith('route:')
    if ([...before.keys(), ...after.keys()].some((name) => isOther(name) && isHeld(name))) await forgotten()
  }
  /** No push takes a record along that cannot be used. */
  const copy = async (kind: string, name: string) => {
    await registry.put(`${kind}:${name}`, readRecords(project).get(`${kind}:${name}`)!)
    await forgotten()
  }
  /** The Worker holds what it has read for a few seconds: the bound that a change takes to be seen. */
  const forgotten = () => new Promise((resolve) => setTimeout(resolve, CACHE_SECONDS * 1000 + 100))

  const layout: Layout = {
    edge: 'Worker',
    url,
    platformHeaders: { 'cf-connecting-ip': '127.0.0.1' },
    project,
    from: (client) => ({ headers: { 'cf-connecting-ip': `192.0.2.${client}` } }),
    async run(args, options) {
      const outcome = await lines.run(args, options?.input)
      await push()
      return outcome
    },
    async must(args, options) {
      const outcome = await lines.must(args, options?.input)
      await push()
      return outcome
    },
    async addUser(name, instance) {
      await layout.must(['user', 'add', name, '--instance', instance, '--password-stdin'], {
        input: `${passwordOf(name)}\n`,
      })
    },
    async plant(kind, name, value) {
      plantRecord(project, kind, name, value)
      await copy(kind, name)
    },
    async plantUser(user, fields) {
      plantUser(project, user, fields)
      await copy('user', user)
    },
    misdirect: (user) => layout.plantUser(user, { instance: 'ghost' }),
    async close() {
      lines.end()
      await api.close()
      await workerd.close()
      await leave(project, running)
    },
  }
  return layout
}
