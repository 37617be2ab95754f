import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import { PROGRAM } from '../program.ts'
import { ensureStateDirectory, type Project } from '../project.ts'
import type { StartReport } from '../starter.ts'
import { endLimit } from './order-limits.ts'
import { readLog } from './read-log.ts'

export interface Started {
  pid: number
  url: string
}

/**
 * Runs `mux up` as a process of its own, in its own session, with its log in `.mux/logs/mux.log`; returns when it takes
 * requests. When it does not come to that, nothing of it is left.
 * @param args what else `mux up` is told
 * @throws {CliError} what it failed with, or `start_failed`
 */
export async function startDetached(project: Project, args: readonly string[]): Promise<Started> {
  // No instance has to boot for that; but what a supervisor that died has left may have to be ended first.
  const limit = endLimit((await readConfig(project)).instances)
  await ensureStateDirectory(project)
  const logFile = join(project.state.logs, 'mux.log')
  const log = openSync(logFile, 'a', 0o600)
  const child = spawn(process.execPath, [PROGRAM, 'up', '--project', project.directory, ...args], {
    cwd: project.directory,
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  const report = Promise.withResolvers<StartReport>()
  child.once('error', report.reject)
  child.once('message', report.resolve)
  child.once('exit', (code, signal) => {
    report.reject(new Error(`it ended by itself with ${signal ?? `code ${code}`}`))
  })
  const timer = setTimeout(() => report.reject(new Error(`it took longer than ${limit / 1000} s`)), limit)
  try {
    const said = await report.promise
    if (said.event === 'mux-up') return { pid: said.pid, url: said.url }
    const { code, message, hint, details } = said
    throw new CliError(code, message, { hint, details })
  } catch (error) {
    child.kill('SIGTERM')
    if (error instanceof CliError) throw error
    throw new CliError('start_failed', `mux did not start: ${(error as Error).message}.`, {
      hint: `Its log is ${logFile}`,
      details: await lastLines(logFile, 5),
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    child.removeAllListeners('exit')
    if (child.connected) child.disconnect()
    child.unref()
  }
}

async function lastLines(file: string, lines: number): Promise<string[]> {
  let text = ''
  for await (const piece of readLog(file, { lines })) text += piece
  return text.split('\n').filter((line) => line !== '')
}
