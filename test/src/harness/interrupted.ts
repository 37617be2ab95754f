import { spawn } from 'node:child_process'
import { muxCommand, type Outcome, type Project } from './project.ts'

/** For one that does not end, in milliseconds. */
const LIMIT = 180_000

/**
 * Runs `mux ARGS…` and sends it SIGINT, as Ctrl-C does: after `when` milliseconds, as soon as its standard output matches,
 * or once something has happened. One that does not end is killed, and its signal tells.
 */
export function interrupted(
  project: Project,
  args: readonly string[],
  when: number | RegExp | (() => Promise<unknown>),
): Promise<Outcome> {
  const [command, argv] = muxCommand(args)
  const child = spawn(command, argv, {
    cwd: project.directory,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  const interrupt = () => child.kill('SIGINT')
  const timer = typeof when === 'number' ? setTimeout(interrupt, when) : undefined
  const happened = typeof when === 'function' ? when().then(interrupt) : undefined
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const before = stdout
    stdout += text
    if (when instanceof RegExp && !when.test(before) && when.test(stdout)) interrupt()
  })
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  return new Promise((resolve, reject) => {
    happened?.catch(reject)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr, json: () => JSON.parse(stdout) })
    })
  })
}
