import { execFileSync } from 'node:child_process'

/** Which of the commands this machine lacks, and says so. CI installs them, so there an absence is a failure and not a reason. */
export function absentOf(commands: readonly string[]): string[] {
  const absent = commands.filter((command) => !runs(command))
  if (absent.length === 0) return absent
  if (process.env['CI']) throw new Error(`not installed: ${absent.join(', ')}`)
  process.stderr.write(`skipped in part, since this machine lacks ${absent.join(', ')}\n`)
  return absent
}

function runs(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
