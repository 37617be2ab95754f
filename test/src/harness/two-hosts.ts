import { setTimeout as wait } from 'node:timers/promises'
import { CommandLines } from './command-lines.ts'
import { conformanceYaml, type InstanceOfSuite, type Layout, LEDGER } from './layout.ts'
import { passwordOf, Project } from './project.ts'
import { plantRecord, plantUser, readRecords } from './registry.ts'
import { Site } from './site.ts'
import { CACHE_SECONDS } from './workerd.ts'

/** Which of the instances are where: those of its mux.yaml, and those that the operator defines from elsewhere. */
const HOSTS: Record<string, { own: InstanceOfSuite[]; added: Record<string, string[]> }> = {
  web1: { own: ['broken', 'hostile'], added: { django1: [] } },
  web2: {
    own: ['django3', 'late', 'sockets'],
    added: { django2: ['--set', 'COLOUR=blue'], slow: ['--set', 'BOOT_DELAY=3000'] },
  },
}

/** The third way: the Worker in workerd before two hosts, each a machine of its own, and an operator who works on them from elsewhere. */
export async function twoHostsLayout(): Promise<Layout> {
  const operator = await Project.create('')
  const yamls = Object.entries(HOSTS).map(([host, { own }]) => [
    host,
    conformanceYaml(operator.path(LEDGER), own),
  ])
  const site = await Site.start(operator, Object.fromEntries(yamls))
  const { registry, url } = site.worker
  // Everything that an operator does is done by one process, since there is much of it.
  const lines = await CommandLines.start(operator, operator.environment)
  const close = () => {
    lines.end()
    return site.close()
  }
  try {
    for (const [host, { own, added }] of Object.entries(HOSTS))
      for (const [name, settings] of [...own.map((one) => [one, []] as const), ...Object.entries(added)])
        await lines.must(['instance', 'add', name, '--host', host, ...settings])
  } catch (error) {
    await close()
    throw error
  }

  const valuesInKv = async () => {
    const { keys } = await registry.list()
    return new Map(await Promise.all(keys.map(async ({ name }) => [name, await registry.get(name)] as const)))
  }
  /** Hosts know at once of a user who was changed, and of nothing else: that the Worker may hold for a while. */
  const settled = async <Result>(task: () => Promise<Result>): Promise<Result> => {
    const before = await valuesInKv()
    const result = await task()
    const after = await valuesInKv()
    const isOther = (name: string) => before.get(name) !== after.get(name)
    const isHeld = (name: string) =>
      (before.has(name) && !name.startsWith('user:')) || name.startsWith('route:')
    if ([...before.keys(), ...after.keys()].some((name) => isOther(name) && isHeld(name))) await forgotten()
    return result
  }
  const copy = async (kind: string, name: string) => {
    await registry.put(`${kind}:${name}`, readRecords(operator).get(`${kind}:${name}`)!)
    await forgotten()
  }
  const forgotten = () => wait(CACHE_SECONDS * 1000 + 100)

  const layout: Layout = {
    edge: 'Worker',
    url,
    platformHeaders: { 'cf-connecting-ip': '127.0.0.1' },
    project: operator,
    from: (client) => ({ headers: { 'cf-connecting-ip': `192.0.2.${client}` } }),
    run: (args, options) => settled(() => lines.run(args, options?.input)),
    must: (args, options) => settled(() => lines.must(args, options?.input)),
    async addUser(name, instance) {
      await layout.must(['user', 'add', name, '--instance', instance, '--password-stdin'], {
        input: `${passwordOf(name)}\n`,
      })
    },
    async plant(kind, name, value) {
      plantRecord(operator, kind, name, value)
      await copy(kind, name)
    },
    async plantUser(user, fields) {
      plantUser(operator, user, fields)
      await copy('user', user)
    },
    misdirect: (user) => layout.plantUser(user, { instance: 'ghost' }),
    close,
  }
  return layout
}
