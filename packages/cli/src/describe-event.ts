import type { InstanceEvent } from './operations/read-events.ts'

/** What happened, in words. */
export function describeEvent(happened: InstanceEvent): string {
  const { event, generation, pid, reason } = happened
  switch (event) {
    case 'state':
      return `${String(happened['from'])}, then ${String(happened['to'])}`
    case 'started':
      return `process ${String(pid)} started, generation ${String(generation)}`
    case 'ready':
      return `generation ${String(generation)} was ready after ${String(happened['took'])} ms`
    case 'boot_failed':
      return `generation ${String(generation)} did not become ready: ${String(reason)}`
    case 'crashed':
      return `process ${String(pid)} crashed: ${exit(happened)}`
    case 'hung':
      return `process ${String(pid)} hangs. ${String(reason)}`
    case 'memory_exceeded':
      return `process ${String(pid)} and what it started take ${mebibytes(happened['bytes'])}, more than limits.memory (${mebibytes(happened['limit'])}): another comes in its place`
    case 'ended':
      return `process ${String(pid)} is gone: ${exit(happened)}, ${cause(happened)}${left(happened)}`
    case 'restarted':
      return `restarted: process ${String(happened['newPid'])} for ${String(happened['oldPid'] ?? 'none')}, which finished ${String(happened['drained'])} requests more`
    case 'adopted':
      return `process ${String(pid)} was taken over from a supervisor that died`
    case 'leftover_ended':
      return `process ${String(pid ?? '')}, left by a supervisor that died, was ended${left(happened)}`
    case 'idle':
      return 'stopped, because nobody used it'
    case 'evicted':
      return 'stopped, to make room for another instance'
    case 'degraded':
      return `what ran before serves on. ${String(reason)}`
    case 'failed':
      return `given up: ${String(reason)}`
    case 'settings_not_kept':
      return `its settings could not be kept for a rollback (${String(reason)})`
    case 'log_rotated':
      return 'its log was rotated'
    case 'log_failed':
      return `its log cannot be written (${String(happened['code'])})`
    default:
      return others(happened)
  }
}

function exit({ code, signal, out_of_memory: outOfMemory }: InstanceEvent): string {
  if (typeof signal === 'string') return outOfMemory === true ? `${signal}, out of memory` : signal
  return typeof code === 'number' ? `code ${code}` : 'nobody knows how it ended'
}

function mebibytes(bytes: InstanceEvent[string]): string {
  return `${Math.round(Number(bytes) / 2 ** 20)} MiB`
}

function cause({ by, killed }: InstanceEvent): string {
  if (by !== 'us') return 'crashed'
  return killed === true ? 'killed by mux, because it did not stop in time' : 'ended by mux'
}

function left({ survivors }: InstanceEvent): string {
  return typeof survivors === 'string' ? `; these processes do not end: ${survivors}` : ''
}

/** What there are no words for, as it was noted. */
function others({ event, ...fields }: InstanceEvent): string {
  const own = Object.entries(fields).filter(([name]) => name !== 'time' && name !== 'instance')
  return [event, ...own.map(([name, value]) => `${name} ${String(value)}`)].join(', ')
}
