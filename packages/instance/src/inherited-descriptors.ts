import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { hasProc } from './proc.ts'

const CLOSE_ON_EXEC = 0o2000000

/**
 * Closes the descriptors that whoever started this process left open in it, so that no instance inherits them.
 * What Node opens is closed on exec; of what it was born with it sees to the low numbers only.
 */
export function closeInheritedDescriptors(): void {
  if (!hasProc) return
  for (const entry of readdirSync('/proc/self/fd')) {
    const descriptor = Number(entry)
    if (descriptor > 2 && survivesExec(descriptor)) closeSync(descriptor)
  }
}

function survivesExec(descriptor: number): boolean {
  let info: string
  try {
    info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')
  } catch {
    // The one by which the directory itself was read is closed by now.
    return false
  }
  const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)![1]!, 8)
  return (flags & CLOSE_ON_EXEC) === 0
}
