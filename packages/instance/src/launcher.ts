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
}

/** The descriptor on which the launcher tells how far it came: {@link READY}, then the field that can't be had, if any. */
export const REPORT_DESCRIPTOR = 3
export const READY = 'ready'
/** The descriptor by which the launcher enters the control group. */
export const DOOR_DESCRIPTOR = 4

/** Whether there is nothing that it has to do itself; then the program is started without a launcher. */
export function isIdle({ nice, umask, files, processes, cgroup }: Preparation): boolean {
  return cgroup === undefined && nice === 0 && umask === null && files === null && processes === null
}

/**
 * The program behind a launcher, which is a shell that becomes the program. It has to be bash: the others can't name a
 * process, or change the environment that they hand on.
 * @throws {SettingsError} naming the field for which a tool is missing
 */
export function launched(program: Words, preparation: Preparation): Words {
  const { nice } = preparation
  const shell = bash(program, preparation)
  if (nice === 0) return shell
  // Before the shell, since an exec -a of its own comes last.
  return {
    path: tool('nice', preparation),
    arguments: ['-n', `${nice}`, shell.path, ...shell.arguments],
    argv0: 'nice',
  }
}

function bash({ path, arguments: args, argv0 }: Words, preparation: Preparation): Words {
  const { umask, files, processes, cgroup } = preparation
  const script = [
    `fail() { echo "$1" >&${REPORT_DESCRIPTOR}; exit 1; }`,
    // Opened by mux, whose rights count, whoever runs the shell. What can't be had here is found by looking around.
    ...(cgroup === undefined
      ? []
      : [`{ echo 0 >&${DOOR_DESCRIPTOR}; } 2>/dev/null; exec ${DOOR_DESCRIPTOR}>&-`]),
    ...(umask === null ? [] : [`umask ${umask.toString(8)}`]),
    ...(files === null ? [] : [`ulimit -n ${files} 2>/dev/null || fail limits.files`]),
    ...(processes === null ? [] : [`ulimit -u ${processes} 2>/dev/null || fail limits.processes`]),
    ...BECOME,
  ].join('\n')
  // -p: it runs no file that the environment names, and takes no functions from there.
  return {
    path: tool('bash', preparation),
    arguments: ['-p', '-c', script, argv0, path, ...args],
    argv0: 'mux',
  }
}

/**
 * The last lines of a script: it turns into "$@" under the name $0. What bash adds to the environment is taken out of
 * it. SHLVL would be put back on exec, so it is made to stand for an element of an array, which no environment holds.
 * The braces keep the report open for an exec that fails, but not for the program.
 */
const BECOME = [
  'unset PWD OLDPWD SHLVL _',
  "declare -n SHLVL='none[0]'",
  'shopt -s execfail',
  `echo ${READY} >&${REPORT_DESCRIPTOR}`,
  `{ exec -a "$0" "$@"; } ${REPORT_DESCRIPTOR}>&-`,
  `echo "command $?" >&${REPORT_DESCRIPTOR}`,
]

function tool(name: string, { umask, files, processes }: Preparation): string {
  const path = findTool(name)
  if (path !== undefined) return path
  const used = Object.entries({ umask, 'limits.files': files, 'limits.processes': processes })
  const field = used.find(([, value]) => value !== null)?.[0] ?? 'nice'
  throw new SettingsError(`${field}: it takes ${name}, which is not installed.`)
}
