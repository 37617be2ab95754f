import { spawn } from 'node:child_process'
import { muxCommand, type Outcome, type Project } from './project.ts'

/**
 * Runs `mux ARGS…` and sends it SIGINT, as Ctrl-C does: after `when` milliseconds, or as soon as its standard output
 * matches. One that does not end within 10 s is killed, and its signal tells.
 */
export function interrupted(
  project: Project,
  args: readonly string[],
  when: number | RegExp,
): Promise<Outcome> {
  const [command, argv] = muxCommand(args)
  const child = spawn(command, argv, {
    cwd: project.directory,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 10_000,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  const timer = typeof when === 'number' ? setTimeout(() => child.kill('SIGINT'), when) : undefined
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const before = stdout
    stdout += text
    if (typeof when !== 'number' && !when.test(before) && when.test(stdout)) child.kill('SIGINT')
  })
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr, json: () => JSON.parse(stdout) })
    })
  })
}
