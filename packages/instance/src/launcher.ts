import type { Account } from './account.ts'
import { findTool } from './program.ts'
import { SettingsError } from './settings.ts'

/** A command line, and what its process is called in `ps`. */
export interface Words {
  path: string
  arguments: readonly string[]
  argv0: string
}

/** What is done to a process before it turns into the program. */
export interface Preparation {
  account: Account | null
  nice: number
  umask: number | null
  files: number | null
  processes: number | null
  /** Directory of the control group that it enters; absent where it has none. */
  cgroup?: string | undefined
  /** The arguments of bubblewrap; null: no sandbox. */
  sandbox: readonly string[] | null
}

/** The descriptor on which the launcher tells how far it came: {@link READY}, then the field that can't be had, if any. */
export const REPORT_DESCRIPTOR = 3
export const READY = 'ready'
/** The descriptor by which the launcher enters the control group. */
export const DOOR_DESCRIPTOR = 4

/** Whether there is nothing that it has to do itself; then the program is started without a launcher. */
export function isIdle({ nice, umask, files, processes, cgroup, sandbox }: Preparation): boolean {
  const isUnbounded = nice === 0 && umask === null && files === null && processes === null
  return isUnbounded && cgroup === undefined && sandbox === null
}

/**
 * The program behind a launcher: a shell that becomes the program, and for one in a sandbox bubblewrap, which starts it. The
 * shell has to be bash, since others can't name a process, or change the environment that they hand on.
 * @param title what `ps` shows of a process that stays beside the program
 * @throws {SettingsError} naming the field for which a tool is missing
 */
export function launched(program: Words, title: string, preparation: Preparation): Words {
  const { nice, cgroup, sandbox } = preparation
  const enter = cgroup === undefined ? [] : ENTER
  const become = [...bounds(preparation), ...BECOME]
  if (sandbox === null) return yielding(nice, shell([...enter, ...become], program, preparation))
  const inside = shell(become, program, preparation)
  const bubblewrap = {
    path: tool('bwrap', preparation),
    arguments: [...sandbox, '--', inside.path, ...inside.arguments],
    argv0: title,
  }
  return yielding(nice, cgroup === undefined ? bubblewrap : shell([...enter, EXEC], bubblewrap, preparation))
}

/** nice(1) comes first, since the name of what follows would be its own. */
function yielding(nice: number, words: Words): Words {
  if (nice === 0) return words
  return { path: tool('nice'), arguments: ['-n', `${nice}`, words.path, ...words.arguments], argv0: 'nice' }
}

/** -p: it runs no file that the environment names, and takes no functions from there. */
function shell(script: readonly string[], then: Words, preparation: Preparation): Words {
  const { path, arguments: args, argv0 } = then
  return {
    path: tool('bash', preparation),
    arguments: ['-p', '-c', script.join('\n'), argv0, path, ...args],
    argv0: 'mux',
  }
}

function bounds({ umask, files, processes }: Preparation): string[] {
  return [
    `fail() { echo "$1" >&${REPORT_DESCRIPTOR}; exit 1; }`,
    ...(umask === null ? [] : [`umask ${umask.toString(8)}`]),
    ...(files === null ? [] : [`ulimit -n ${files} 2>/dev/null || fail limits.files`]),
    ...(processes === null ? [] : [`ulimit -u ${processes} 2>/dev/null || fail limits.processes`]),
  ]
}

/** Opened by mux, whose rights count, whoever runs the shell. What does not get in is found by looking around. */
const ENTER = [`{ echo 0 >&${DOOR_DESCRIPTOR}; } 2>/dev/null`, `exec ${DOOR_DESCRIPTOR}>&-`]

/** The shell turns into "$@" under the name $0. */
const EXEC = 'exec -a "$0" "$@"'

/**
 * It turns into the program. What bash adds to the environment is taken out of it; SHLVL would be put back on exec, so it
 * is made to stand for an element of an array, which no environment holds (bash 4.3; an older one leaves a 0). The braces keep the report open for an exec
 * that fails, but not for the program.
 */
const BECOME = [
  'unset PWD OLDPWD SHLVL _',
  "declare -n SHLVL='none[0]' 2>/dev/null",
  'shopt -s execfail',
  `echo ${READY} >&${REPORT_DESCRIPTOR}`,
  `{ ${EXEC}; } ${REPORT_DESCRIPTOR}>&-`,
  `echo "command $?" >&${REPORT_DESCRIPTOR}`,
]

function tool(name: 'bash' | 'bwrap' | 'nice', preparation?: Preparation): string {
  const path = findTool(name)
  if (path !== undefined) return path
  const { umask = null, files = null, processes = null } = preparation ?? {}
  const used = Object.entries({ umask, 'limits.files': files, 'limits.processes': processes })
  const field = used.find(([, value]) => value !== null && name === 'bash')?.[0]
  throw new SettingsError(
    `${field ?? (name === 'nice' ? 'nice' : 'sandbox')}: it takes ${name}, which is not installed.`,
  )
}
