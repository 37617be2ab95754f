import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryDirectory } from './fixtures/run-mux.ts'
import { findWrangler, runWrangler, type Wrangler } from './wrangler.ts'

const SECRET = 'planted-secret-0123456789'

/** Runs a program that stands for wrangler. */
async function run(program: string) {
  const directory = temporaryDirectory()
  const file = join(directory, 'wrangler.mjs')
  writeFileSync(file, `import { appendFileSync } from 'node:fs'\n${program}`)
  const wrangler: Wrangler = { version: '4.0.0', command: [process.execPath, file] }
  const reportFile = join(directory, 'report')
  const running = runWrangler(wrangler, ['deploy'], {
    directory,
    environment: { ...process.env, CLOUDFLARE_ENV: 'other' },
    reportFile,
    secrets: [SECRET],
  })
  const ended = await running.catch((error: unknown) => error)
  expect(existsSync(reportFile)).toBe(false)
  return ended
}

const report = (entry: string) => `appendFileSync(process.env.WRANGLER_OUTPUT_FILE_PATH, ${entry} + '\\n')`

it('the one that came with mux is new enough', async () => {
  expect((await findWrangler({ PATH: '' })).version).toMatch(/^4\./)
})

it('what wrangler writes down is what it has come to, and it is told nothing but its arguments', async () => {
  const said = await run(`
    const { CLOUDFLARE_ENV: environment = 'none', WRANGLER_SEND_METRICS: metrics } = process.env
    ${report("JSON.stringify({ type: 'deploy', environment, metrics, args: process.argv.slice(2) })")}
    ${report("'half of a li'")}`)
  expect(said).toEqual([{ type: 'deploy', environment: 'none', metrics: 'false', args: ['deploy'] }])
})

it.each([
  ['of its own', `JSON.stringify({ type: 'command-failed', message: 'x' })`, 'wrangler_failed', 1],
  ['of a token', `JSON.stringify({ type: 'command-failed', code: 10000 })`, 'cloudflare_forbidden', 6],
])(
  'a failure %s is told with its last words, without colours and secrets',
  async (_what, entry, code, exitCode) => {
    const error = await run(`
    ${report(entry)}
    for (let line = 0; line < 50; line += 1) console.error('line', line)
    console.error('\\u001b[31mthe token is ${SECRET}\\u001b[0m\\n')
    process.exitCode = 1`)
    expect(error).toMatchObject({ code, exitCode })
    const { details } = error as { details: string[] }
    expect(details.at(-1)).toBe('the token is [secret]')
    expect(details).toHaveLength(12)
  },
)
