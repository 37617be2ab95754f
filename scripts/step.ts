import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Tally } from './tally.ts'

/** One command of the checks. */
export interface Step {
  title: string
  command: [string, ...string[]]
  directory: string
  /** Seconds after which it is ended, with all that it started in its process group. */
  limit: number
  environment?: Record<string, string>
  /** For a run of tests: reads what they came to from the output; `undefined` if it cannot be told. */
  tally?: (output: string) => Tally | undefined
}

export interface Outcome {
  title: string
  ok: boolean
  seconds: number
  tally: Tally
  /** False for a check that has no tests to count. */
  hasTests: boolean
  /** Standard output and error as they came. */
  output: string
}

const running = new Set<number>()

/** Runs one command to its end. Never rejects: what goes wrong is in the outcome. */
export async function runStep(step: Step): Promise<Outcome> {
  const start = performance.now()
  const [command, ...args] = step.command
  // A process group of its own, so that it can be ended with what it started.
  const child = spawn(command, args, {
    cwd: step.directory,
    env: { ...process.env, ...step.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const { pid } = child
  if (pid !== undefined) running.add(pid)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }

  let end = ''
  const timer = setTimeout(() => {
    end = `ended after ${step.limit} s`
    endGroup(pid)
  }, step.limit * 1000)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    if (end === '' && code !== 0) end = signal === null ? `exit code ${code}` : `ended by ${signal}`
  } catch (error) {
    end = (error as Error).message
  }
  clearTimeout(timer)
  endGroup(pid)
  // The rest of the output; not for ever, because somebody outside of the group may hold the pipes.
  await Promise.race([finished(child.stdout), sleep(2_000, undefined, { ref: false })]).catch(() => undefined)

  const tally = step.tally?.(output)
  if (step.tally && (tally === undefined || tally.passed + tally.failed + tally.skipped.length === 0))
    end ||= 'it ran no test'
  const ok = end === '' && !tally?.failed
  return {
    title: step.title,
    ok,
    seconds: (performance.now() - start) / 1000,
    hasTests: step.tally !== undefined,
    // What fails without a failed test is one failure, so that "0 failed" is never said of a failed run.
    tally: {
      passed: 0,
      failures: [],
      skipped: [],
      ...tally,
      failed: ok ? 0 : Math.max(1, tally?.failed ?? 0),
    },
    output: end === '' ? output : `${output}\n${end}\n`,
  }
}

/** Ends what still runs; for when the whole run is interrupted. */
export function endAllSteps(): void {
  for (const pid of running) endGroup(pid)
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  running.delete(pid)
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody of it is left.
  }
}
