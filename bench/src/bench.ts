// What mux costs, as a share of what its peers do on the same machine in the same minutes: npm run bench.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { bundleEdge } from './bundle.ts'
import { AUTHORIZATION, startEmbedded } from './embedded.ts'
import { findGenerator, type Sample } from './load.ts'
import { keepOneProcessorFree } from './pinning.ts'
import { processorTime } from './processor-time.ts'
import type { Program } from './program.ts'
import { median, spread } from './statistics.ts'
import { startUpstream } from './upstream.ts'
import { newSecrets, startWorkers } from './workerd.ts'

const ROUNDS = 5
const SECONDS = 2
/** Long enough for the compilers of JavaScript to have done what they will do. */
const WARM_UP_SECONDS = 8
const CONNECTIONS = [1, 32]

interface Contender {
  name: string
  /** Of the process that serves it. */
  pid: number
  url: string
  headers: Record<string, string>
  /** Measured against, and at least so much of it. */
  peer?: { name: string; promised: number }
}

/** A sample, and the microseconds of processor time that a request took of the process that served it; NaN if unknown. */
type Measured = Sample & { processor: number }

const scratch = mkdtempSync(join(tmpdir(), 'mux-bench-'))
const programs: Program[] = []
const started = <T extends Program>(program: T): T => {
  programs.push(program)
  return program
}
// A first Ctrl-C ends what was started, a second one all at once.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort(new Error('interrupted')))

try {
  process.exitCode = (await bench()) ? 0 : 1
} finally {
  await Promise.all(programs.map((program) => program.stop()))
  rmSync(scratch, { recursive: true, force: true })
}

/** @returns true if every promise is kept */
async function bench(): Promise<boolean> {
  const generator = findGenerator()
  const pinning = keepOneProcessorFree()
  const contenders = await startContenders()
  for (const { pid } of contenders) pinning.measure(pid)
  console.log(`${machine()}, ${generator.name}`)
  console.log(pinning.description)
  console.log(
    `median of ${ROUNDS} interleaved rounds of ${SECONDS} s, ± half the distance of the outermost ones; µs: processor time a request\n`,
  )
  for (const { url, headers } of contenders)
    await generator.run({ url, headers, connections: 32, seconds: WARM_UP_SECONDS })
  let kept = true
  for (const connections of CONNECTIONS) {
    const samples = new Map<string, Measured[]>(contenders.map(({ name }) => [name, []]))
    for (let round = 0; round < ROUNDS; round++)
      for (const { name, pid, url, headers } of contenders) {
        interrupted.signal.throwIfAborted()
        const before = processorTime(pid)
        const sample = await generator.run({ url, headers, connections, seconds: SECONDS })
        const used = (processorTime(pid) ?? NaN) - (before ?? NaN)
        samples.get(name)!.push({ ...sample, processor: used / sample.requests })
      }
    console.log(`${connections} ${connections === 1 ? 'connection' : 'connections'}`)
    for (const contender of contenders) kept = show(contender, samples) && kept
    console.log()
  }
  return kept
}

async function startContenders(): Promise<Contender[]> {
  const upstream = started(await startUpstream())
  const mux = started(await startEmbedded(join(scratch, 'embedded')))
  const bundle = await bundleEdge(join(scratch, 'bundle'))
  // Not the one that is measured itself, which has the processor that the Workers are measured on.
  const secrets = newSecrets()
  const { origin } = started(await startUpstream(secrets['EDGE_KEY']))
  const workers = started(await startWorkers(join(scratch, 'workers'), bundle, origin, secrets))
  await workers.put(
    'user:bench',
    JSON.stringify({
      ...mux.readRecord('user', 'bench'),
      target: { host: 'bench', origin },
    }),
  )
  const signedIn = { Authorization: AUTHORIZATION }
  return [
    { name: 'upstream, direct', pid: upstream.pid, url: `${upstream.origin}/`, headers: {} },
    {
      name: 'mux up',
      pid: mux.pid,
      url: new URL('/', mux.url).href,
      headers: signedIn,
      peer: { name: 'upstream, direct', promised: 0.15 },
    },
    { name: 'bare Worker', pid: workers.pid, url: `${workers.passThrough}/`, headers: {} },
    {
      name: 'mux as a Worker',
      pid: workers.pid,
      url: `${workers.edge}/`,
      headers: signedIn,
      // Why it is no more than this is in README.md.
      peer: { name: 'bare Worker', promised: 0.4 },
    },
  ]
}

/** Prints one line. @returns false if less was measured than is promised */
function show({ name, peer }: Contender, samples: Map<string, Measured[]>): boolean {
  const own = samples.get(name)!
  const rates = own.map(({ perSecond }) => perSecond)
  const latency = (pick: (sample: Sample) => number) => `${median(own.map(pick)).toFixed(2)} ms`.padStart(10)
  const processor = median(own.map((sample) => sample.processor))
  const took = Number.isNaN(processor) ? '' : `   ${processor.toFixed(0).padStart(3)} µs`
  let line = `  ${name.padEnd(18)} ${median(rates).toFixed(0).padStart(7)}/s ±${percent(spread(rates) / 2)}   p50 ${latency(({ p50 }) => p50)}   p99 ${latency(({ p99 }) => p99)}${took}`
  let kept = true
  if (peer) {
    // Each round with its own peer's: both had the machine in the same state.
    const ratios = samples.get(peer.name)!.map(({ perSecond }, round) => rates[round]! / perSecond)
    kept = median(ratios) >= peer.promised
    line += `   ${median(ratios).toFixed(2)} of ${peer.name} (${kept ? 'at least' : 'MISSED:'} ${peer.promised})`
  }
  console.log(line)
  return kept
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`.padStart(5)
}

function machine(): string {
  const processors = cpus()
  const workerd = JSON.parse(
    readFileSync(join(import.meta.dirname, '../node_modules/workerd/package.json'), 'utf8'),
  ) as { version: string }
  return `${processors.length} × ${processors[0]!.model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${process.platform} ${release()}, Node ${process.versions.node}, workerd ${workerd.version}`
}
