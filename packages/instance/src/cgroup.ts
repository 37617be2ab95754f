import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/**
 * Control groups, version 2 (cgroups(7); https://docs.kernel.org/admin-guide/cgroup-v2.html): one for each generation,
 * so that nothing which it starts gets out of sight, whatever becomes of its parent, session or environment.
 */

/** What a group is named by, before the marker of its generation. */
const PREFIX = 'mux.'
/**
 * The group into which systemd puts mux when its unit says DelegateSubgroup=supervisor. Its parent, the one of the
 * unit, then has no process itself, which the kernel requires of a group that hands on control of memory.
 */
const SUBGROUP = 'supervisor'

/**
 * So many times its limit may a generation take before the kernel ends it: what grows slowly is replaced first, without
 * losing a request, and only what runs away is killed.
 */
const HEADROOM = 1.25

export interface GroupLimits {
  /** Bytes, see {@link HEADROOM}; null: no limit. */
  memory: number | null
  /** Processes and threads; null: no limit. */
  processes: number | null
}

export interface Cgroup {
  /** Its directory. */
  path: string
  /** Whether the kernel keeps the limit on processes there. */
  boundsProcesses: boolean
}

/**
 * Where the group of a generation is made; undefined where mux may not make any. To be written down before it is made.
 * @param marker the generation's own, by which the group is known as ours
 * @param nursery see {@link findNursery}
 */
export function placeOfGroup(marker: string, nursery = ourNursery()): string | undefined {
  return nursery === undefined ? undefined : join(nursery, `${PREFIX}${marker}`)
}

/**
 * Makes the group of a generation, with the limits that the kernel can keep there.
 * @param path see {@link placeOfGroup}
 * @returns undefined when it cannot be made
 */
export function makeGroup(path: string, { memory, processes }: GroupLimits): Cgroup | undefined {
  const nursery = dirname(path)
  if (memory !== null) set(nursery, 'cgroup.subtree_control', '+memory')
  if (processes !== null) set(nursery, 'cgroup.subtree_control', '+pids')
  try {
    mkdirSync(path)
  } catch {
    return undefined
  }
  if (memory !== null && set(path, 'memory.max', `${Math.ceil(memory * HEADROOM)}`)) {
    // Or it would go on in swap, and slow the others down by that.
    set(path, 'memory.swap.max', '0')
    // One that has lost some of its processes is no better than one that is gone.
    set(path, 'memory.oom.group', '1')
  }
  return { path, boundsProcesses: processes !== null && set(path, 'pids.max', `${processes}`) }
}

/** Whether a path that was written down is that of the group of this generation. */
export function isGroupOf(marker: string, path: string): boolean {
  return basename(path) === `${PREFIX}${marker}`
}

/** The file into which a process writes `0` to come into the group. */
export function doorOf(path: string): string {
  return join(path, 'cgroup.procs')
}

/** The processes in a group and in the groups below it, zombies left out; none when it is gone. */
export function membersOf(path: string): number[] {
  return [path, ...groupsBelow(path)].flatMap((group) => numbers(read(group, 'cgroup.procs')))
}

/** Whether the kernel has anything in a group or below it that has not ended altogether: a process, or a last thread of one. */
export function isPopulated(path: string): boolean {
  return read(path, 'cgroup.events').includes('populated 1')
}

/** SIGKILL to all of them at once, so that none can start another meanwhile; nothing on a Linux before 5.14. */
export function killMembers(path: string): void {
  set(path, 'cgroup.kill', '1')
}

/** Whether the kernel has ended one of them for want of memory. */
export function ranOutOfMemory(path: string): boolean {
  return Number(/^oom_kill (\d+)$/m.exec(read(path, 'memory.events'))?.[1] ?? 0) > 0
}

/** Removes a group in which nothing is left. */
export function removeGroup(path: string): void {
  for (const group of [...groupsBelow(path).toReversed(), path]) {
    try {
      rmdirSync(group)
    } catch {
      // Gone already; or the kernel has not let go of it yet, and an empty group is left, which costs next to nothing.
    }
  }
}

/**
 * The directory of the group in which mux may make others; undefined where there is none. Under systemd that is the one
 * of a unit with Delegate=, which belongs to the user who runs mux. As root mux could write everywhere, so there it takes
 * no more than what it knows to be given: the subgroup that systemd has put it into, or a machine or a container without
 * a systemd, where every process is in the root.
 * @param proc where the process is described, as in proc(5)
 */
export function findNursery(proc: string, isRoot: boolean): string | undefined {
  const own = /^0::(\/.*)$/m.exec(read(proc, 'cgroup'))?.[1]
  const mount = own === undefined ? undefined : mountOf(read(proc, 'mountinfo'), own)
  if (own === undefined || mount === undefined) return undefined
  const group = resolve(join(mount.point, own.slice(mount.root === '/' ? 0 : mount.root.length)))
  const isSubgroup = basename(own) === SUBGROUP
  if (isRoot && own !== '/' && !isSubgroup) return undefined
  const nursery = isSubgroup ? dirname(group) : group
  return [nursery, doorOf(nursery)].every(isWritable) ? nursery : undefined
}

let known: { nursery: string | undefined } | undefined

function ourNursery(): string | undefined {
  known ??= { nursery: findNursery('/proc/self', process.getuid?.() === 0) }
  return known.nursery
}

/** Where the group of that name is to be found: fields 4 and 5 of /proc/PID/mountinfo are root and mount point. */
function mountOf(mountinfo: string, group: string): { root: string; point: string } | undefined {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [, , , root, point] = line.split(' ')
    if (!line.includes(' - cgroup2 ') || root === undefined || point === undefined) return []
    return [{ root, point: point.replace(/\\([0-7]{3})/g, (_, octal: string) => character(octal)) }]
  })
  return mounts.find(({ root }) => root === '/' || group === root || group.startsWith(`${root}/`))
}

function character(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8))
}

function groupsBelow(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    return entries.flatMap(({ name }) => [join(path, name), ...groupsBelow(join(path, name))])
  } catch {
    return []
  }
}

function numbers(text: string): number[] {
  return text.split('\n').filter(Boolean).map(Number)
}

function read(directory: string, file: string): string {
  try {
    return readFileSync(join(directory, file), 'utf8')
  } catch {
    return ''
  }
}

/** False for what the kernel doesn't offer there: no file can be made in a group. */
function set(directory: string, file: string, value: string): boolean {
  try {
    writeFileSync(join(directory, file), value)
    return true
  } catch {
    return false
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
