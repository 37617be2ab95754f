import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { absentOf } from './absent.ts'

/** A MAC address that no interface here has. */
const NOBODY = '02:00:00:00:00:01'

/** A machine's network of its own: a namespace of the kernel, with one link to the tests' (network_namespaces(7)). */
export class Network {
  /** By which the tests reach it. */
  readonly address: string
  readonly #holder: ChildProcess
  readonly #link: string
  private constructor(holder: ChildProcess, link: string, address: string) {
    this.#holder = holder
    this.#link = link
    this.address = address
  }

  static async create(): Promise<Network> {
    // Ends when the tests do, however they do, and the namespace and the link with it.
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data', { signal: AbortSignal.timeout(60_000) })
    const id = randomInt(2 ** 19)
    const subnet = `10.${128 + (id >> 14)}.${(id >> 6) & 255}`
    const [here, there] = [1, 2].map((last) => `${subnet}.${((id & 63) << 2) + last}`) as [string, string]
    const network = new Network(holder, `mux${id}`, there)
    ip('link', 'add', network.#link, 'type', 'veth', 'peer', 'name', 'up0', 'netns', String(holder.pid))
    ip('address', 'add', `${here}/30`, 'dev', network.#link)
    ip('link', 'set', network.#link, 'up')
    for (const words of [`address add ${there}/30 dev up0`, 'link set up0 up', 'link set lo up'])
      execFileSync('nsenter', [...network.entrance.slice(1), 'ip', ...words.split(' ')])
    return network
  }

  /** What a command line begins with to be run in it. It becomes the command, with the same process id. */
  get entrance(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`]
  }

  /** From now on nothing that is sent there arrives, and nobody says so. */
  dropPackets(): void {
    ip('neighbour', 'replace', this.address, 'lladdr', NOBODY, 'nud', 'permanent', 'dev', this.#link)
  }

  async end(): Promise<void> {
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      const ended = once(this.#holder, 'exit')
      this.#holder.stdin!.end()
      await ended
    }
    // By itself it goes when the kernel comes to it.
    spawnSync('ip', ['link', 'delete', this.#link], { stdio: 'ignore' })
  }
}

let whether: Promise<boolean> | undefined

/** Whether this machine lets the tests have networks; says so when it does not. */
export function hasNetworks(): Promise<boolean> {
  whether ??= tryNetwork()
  return whether
}

async function tryNetwork(): Promise<boolean> {
  if (absentOf(['unshare', 'nsenter']).length > 0 || spawnSync('ip', ['-V']).status !== 0) return no('no ip')
  if (process.getuid!() !== 0) return no('not root')
  try {
    await (await Network.create()).end()
    return true
  } catch (error) {
    return no((error as Error).message)
  }
}

function no(reason: string): false {
  process.stderr.write(`hosts are on loopback, and not in network namespaces of their own: ${reason}\n`)
  return false
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 })
}
