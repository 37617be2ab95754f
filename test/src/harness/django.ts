import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The gunicorn of this machine whose Python has Django; or, in a word, what is missing. */
export function findDjango(): { gunicorn: string } | { missing: string } {
  const candidates = [process.env['MUX_TEST_GUNICORN'], '/usr/bin/gunicorn'].filter(
    (path) => path !== undefined,
  )
  for (const gunicorn of candidates) {
    const python = interpreterOf(gunicorn)
    if (python === undefined) continue
    try {
      execFileSync(python, ['-c', 'import django'], { stdio: 'ignore', timeout: 20_000 })
      return { gunicorn }
    } catch {
      return { missing: `Django for ${python} (Debian: python3-django)` }
    }
  }
  return { missing: 'gunicorn (Debian: gunicorn, python3-django)' }
}

function interpreterOf(script: string): string | undefined {
  try {
    return /^#!\s*(\S+)/.exec(readFileSync(script, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
