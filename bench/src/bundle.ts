import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { EdgeBundle } from './workerd.ts'

const EDGE = join(import.meta.dirname, '../../packages/edge')

/** Bundles mux's Worker as `wrangler deploy` would, without deploying it. */
export async function bundleEdge(directory: string): Promise<EdgeBundle> {
  const wrangler = createRequire(join(EDGE, 'package.json')).resolve('wrangler/package.json')
  await promisify(execFile)(
    process.execPath,
    [join(dirname(wrangler), 'bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', directory],
    { cwd: EDGE, env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true' }, timeout: 60_000 },
  )
  const text = await readFile(join(EDGE, 'wrangler.jsonc'), 'utf8')
  const settings = JSON.parse(text.replace(/^\s*\/\/.*$/gm, '').replace(/,(\s*[}\]])/g, '$1')) as {
    compatibility_date: string
    compatibility_flags?: string[]
  }
  return {
    file: join(directory, 'worker.js'),
    compatibilityDate: settings.compatibility_date,
    compatibilityFlags: settings.compatibility_flags ?? [],
  }
}
