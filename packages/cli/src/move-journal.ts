import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type HostName, type InstanceName, parseHostName } from '@mux/contract'
import { replaceFile } from '@mux/instance/atomic-file'
import { CliError } from './errors.ts'
import type { Project } from './project.ts'

const PHASES = ['copying', 'starting', 'leading', 'moved'] as const

/**
 * A move of an instance that has begun, so that one which was killed is taken up where it was. `copying` and `starting`: it serves
 * where it was, and what is at its end, which may run from `starting` on, counts for nothing; `leading`: users may be led to its end by now, and to where it was no more; `moved`:
 * what is left where it was is kept until somebody has it removed.
 */
export interface Move {
  phase: (typeof PHASES)[number]
  from: HostName
  to: HostName
  /** By what it is seen that it has run where it was since its data were copied; empty before that. */
  mark: string
}

export async function readMove(project: Project, name: InstanceName): Promise<Move | undefined> {
  const file = fileOf(project, name)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const move = parse(text)
  if (move) return move
  throw new CliError('record_invalid', `${file} cannot be used.`, {
    hint: `It says of a move of ${name} how far it is. See where its users are led: mux instance list   Then move the file away.`,
  })
}

export async function writeMove(project: Project, name: InstanceName, move: Move): Promise<void> {
  await mkdir(directoryOf(project), { recursive: true, mode: 0o700 })
  await replaceFile(fileOf(project, name), `${JSON.stringify({ v: 1, ...move })}\n`, 0o600)
}

export async function forgetMove(project: Project, name: InstanceName): Promise<void> {
  await rm(fileOf(project, name), { force: true })
}

function directoryOf({ state }: Project): string {
  return join(state.directory, 'moves')
}

function fileOf(project: Project, name: InstanceName): string {
  return join(directoryOf(project), `${name}.json`)
}

function parse(text: string): Move | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const { v, phase, from, to, mark } = (value ?? {}) as Record<string, unknown>
  const hosts = [from, to].map((host) => (typeof host === 'string' ? parseHostName(host) : undefined))
  const known = PHASES.find((one) => one === phase)
  if (
    v !== 1 ||
    known === undefined ||
    typeof mark !== 'string' ||
    hosts[0] === undefined ||
    hosts[1] === undefined
  )
    return undefined
  return { phase: known, from: hosts[0], to: hosts[1], mark }
}
