import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const START_LIMIT = 30_000
const END_LIMIT = 15_000

/** A program that serves while it is measured. */
export interface Program {
  pid: number
  stop: () => Promise<void>
}

export interface Start {
  command: [string, ...string[]]
  directory: string
  environment?: Record<string, string>
  /** The file descriptor on which it says that it is ready: 1, or 3 for workerd. */
  announces: 1 | 3
}

/**
 * Starts a program and reads lines until `ready` returns something.
 * @throws with what it wrote to standard error, if it ends or says nothing in time
 */
export async function start<T>(
  { command: [command, ...args], directory, environment, announces }: Start,
  ready: (line: string) => T | undefined,
): Promise<Program & { announced: T }> {
  const child = spawn(command, args, {
    cwd: directory,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', ...(announces === 3 ? (['pipe'] as const) : [])],
  })
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const lines = createInterface(child.stdio[announces] as Readable)
  if (announces === 3) child.stdout!.resume()
  try {
    const announced = await new Promise<T>((resolve, reject) => {
      const fail = (how: string) => reject(new Error(`${command} ${args.join(' ')} ${how}:\n${errors}`))
      const timer = setTimeout(fail, START_LIMIT, 'did not become ready')
      child.once('error', (error) => fail(error.message))
      child.once('exit', () => fail('ended'))
      lines.on('line', (line) => {
        const found = ready(line)
        if (found === undefined) return
        clearTimeout(timer)
        resolve(found)
      })
    })
    return { announced, pid: child.pid!, stop: () => stop(child) }
  } catch (error) {
    await stop(child)
    throw error
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT)
  await ended
  clearTimeout(timer)
}
