import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { Project } from './project.ts'

const EXAMPLE = join(import.meta.dirname, '../../../examples/django')

/**
 * The gunicorn of this machine whose Python has Django; undefined, and said, where tests are skipped for want of it. CI
 * installs both, so there their absence is a failure and not a reason.
 * @param what is skipped
 */
export function gunicornFor(what: string): string | undefined {
  const found = findDjango()
  if ('gunicorn' in found) return found.gunicorn
  if (process.env['CI']) throw new Error(`not installed: ${found.missing}`)
  process.stderr.write(`skipped: ${what}, since this machine lacks ${found.missing}\n`)
  return undefined
}

function findDjango(): { gunicorn: string } | { missing: string } {
  const candidates = [process.env['MUX_TEST_GUNICORN'], '/usr/bin/gunicorn'].filter(
    (path) => path !== undefined,
  )
  for (const gunicorn of candidates) {
    const python = interpreterOf(gunicorn)
    if (python === undefined) continue
    try {
      execFileSync(python, ['-c', 'import django'], { stdio: 'ignore', timeout: 120_000 })
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

/** A copy of the example, to be run by that gunicorn on a free port. */
export async function djangoProject(gunicorn: string): Promise<Project> {
  const project = await Project.create(null)
  await cp(EXAMPLE, project.directory, {
    recursive: true,
    filter: (source) => !/\/(\.mux|__pycache__)(\/|$)/.test(source),
  })
  const yaml = await project.read('mux.yaml')
  await project.write(
    'mux.yaml',
    yaml
      .replace('127.0.0.1:8080', '127.0.0.1:0')
      // Python loads Django and makes three databases: on a machine that has much else to do, that takes its time.
      .replace('command: gunicorn', `limits: { start: 100s, hold: 100s }\n  command: ${gunicorn}`),
  )
  return project
}
