import { closeSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { hasProc } from './proc.ts'

const CLOSE_ON_EXEC = 0o2000000

/**
 * Closes the descriptors that whoever started this process left open in it, so that no instance inherits them.
 * What Node opens is closed on exec; of what it was born with it sees to the low numbers only.
 */
export function closeInheritedDescriptors(): void {
  if (!hasProc) return
  const certificates = extraCertificates()
  for (const entry of readdirSync('/proc/self/fd')) {
    const descriptor = Number(entry)
    if (descriptor > 2 && isInherited(descriptor, certificates)) closeSync(descriptor)
  }
}

function isInherited(descriptor: number, certificates: string | undefined): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)![1]!, 8)
    return (flags & CLOSE_ON_EXEC) === 0 && readlinkSync(`/proc/self/fd/${descriptor}`) !== certificates
  } catch {
    // The one by which the directory itself was read is closed by now.
    return false
  }
}

/**
 * The one file that Node opens without having it closed on exec. A thread of its own may be reading it at this moment:
 * closed under it, the certificates would be missing, and its number might be closed once more when it is another's.
 */
function extraCertificates(): string | undefined {
  const path = process.env['NODE_EXTRA_CA_CERTS']
  if (path === undefined) return undefined
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
