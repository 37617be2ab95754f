import { once } from 'node:events'
import { type Accounts, startAccounts } from '../../../packages/edge/src/registry/fixtures/kv-explorer.ts'
import { ACCOUNT, NAMESPACE, TOKEN } from '../../../packages/edge/src/registry/fixtures/kv-rest.ts'
import { freePort } from './host.ts'
import { hasNetworks, Network } from './network.ts'
import { leave } from './nothing-left.ts'
import { processesIn, signal } from './processes.ts'
import { Project } from './project.ts'
import { Running } from './running.ts'
import { startWorkerd, type Workerd } from './workerd.ts'

/** In a network of its own, where there is nobody else. */
const PORT = 9090

/**
 * A site as docs/hosts.md and docs/deploy.md have it: the operator's project, which runs nothing, the Worker, and hosts, which are
 * machines of their own where that is permitted.
 */
export class Site {
  readonly operator: Project
  readonly hosts: ReadonlyMap<string, Machine>
  readonly worker: Workerd
  /** Of Cloudflare, for Workers KV. */
  readonly api: Accounts
  private constructor(
    operator: Project,
    hosts: ReadonlyMap<string, Machine>,
    worker: Workerd,
    api: Accounts,
  ) {
    this.operator = operator
    this.hosts = hosts
    this.worker = worker
    this.api = api
  }

  /** @param yamls the mux.yaml of each host by its name, before it is one */
  static async start(operator: Project, yamls: Readonly<Record<string, string>>): Promise<Site> {
    await operator.write('mux.yaml', 'registry: sqlite\n')
    const hosts = new Map<string, Machine>()
    // One after the other: each makes of the operator's keys what there is not.
    for (const [name, yaml] of Object.entries(yamls)) hosts.set(name, await Machine.add(operator, name, yaml))
    try {
      return await Site.#connect(operator, hosts)
    } catch (error) {
      // Nobody gets hold of them who would end them.
      for (const host of hosts.values()) await host.close()
      throw error
    }
  }

  static async #connect(operator: Project, hosts: ReadonlyMap<string, Machine>): Promise<Site> {
    const edgeKey = Buffer.from(await operator.read('.mux/keys/edge.key'), 'base64')
    const [worker] = await Promise.all([
      startWorkerd(edgeKey),
      ...[...hosts.values()].map((host) => host.up()),
    ])
    // As mux deploy does it, once the Worker is there.
    const api = await startAccounts(worker.entry)
    Object.assign(operator.environment, {
      CLOUDFLARE_API_BASE_URL: api.url,
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
      MUX_KV_NAMESPACE: NAMESPACE,
      CLOUDFLARE_API_TOKEN: TOKEN,
    })
    await operator.must(['registry', 'push', '--yes'])
    await operator.write('mux.yaml', 'registry: kv\n')
    return new Site(operator, hosts, worker, api)
  }

  host(name: string): Machine {
    return this.hosts.get(name)!
  }

  async close(): Promise<void> {
    await this.api.close()
    await this.worker.close()
    for (const host of this.hosts.values()) await host.close()
    await leave(this.operator)
  }
}

/** A host: a project, `mux up` in it, and a network. */
class Machine {
  readonly project: Project
  readonly origin: string
  /** Undefined where the tests may not have any: then it is on loopback. */
  readonly network: Network | undefined
  #running: Running | undefined
  private constructor(project: Project, origin: string, network: Network | undefined) {
    this.project = project
    this.origin = origin
    this.network = network
  }

  /** Adds a host by the two commands for it, on the operator's machine and on its own. */
  static async add(operator: Project, name: string, yaml: string): Promise<Machine> {
    const network = (await hasNetworks()) ? await Network.create() : undefined
    const listen = network ? `${network.address}:${PORT}` : `127.0.0.1:${await freePort()}`
    const machine = new Machine(await Project.create(yaml), `http://${listen}`, network)
    const added = await operator.must(['host', 'add', name, '--url', machine.origin])
    const join = ['host', 'join', name, '--origin', machine.origin, '--listen', listen, '--key-stdin']
    await machine.project.must(join, { input: added.stdout })
    return machine
  }

  get running(): Running {
    return this.#running!
  }

  async up(): Promise<void> {
    this.#running = await Running.up(this.project, [], {}, this.network?.entrance)
  }

  /** Its power is cut: nothing on it gets to say anything. */
  async crash(): Promise<void> {
    const ended = once(this.running.child, 'exit')
    // Whoever is started meanwhile by one that is not yet dead.
    for (
      let found = await processesIn(this.project);
      found.length > 0;
      found = await processesIn(this.project)
    )
      for (const pid of found) signal(pid, 'SIGKILL')
    await ended
  }

  async close(): Promise<void> {
    await leave(this.project, this.#running)
    await this.network?.end()
  }
}

export type { Machine }
