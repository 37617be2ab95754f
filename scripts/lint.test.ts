import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
let site: string

beforeEach(() => {
  site = mkdtempSync(join(tmpdir(), 'mux-lint-'))
  for (const file of ['.oxlintrc.json', 'tsconfig.base.json', 'scripts/lint-plugin.mjs'])
    cpSync(join(root, file), join(site, file))
  symlinkSync(join(root, 'node_modules'), join(site, 'node_modules'))
})
afterEach(() => rmSync(site, { recursive: true }))

/** Lints files that stand where the names say, with our own configuration; one line for each thing found. */
function lint(files: Record<string, string>): string[] {
  for (const [name, text] of Object.entries(files)) {
    const file = join(site, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    writeFileSync(join(dirname(file), 'tsconfig.json'), '{ "compilerOptions": { "strict": true } }')
  }
  const { stdout } = spawnSync(
    join(root, 'node_modules/.bin/oxlint'),
    ['-f', 'unix', ...Object.keys(files)],
    {
      cwd: site,
      encoding: 'utf8',
      timeout: 100_000,
    },
  )
  return [...stdout.matchAll(/^(.+?):\d+:\d+: .*\/([\w-]+\([\w-]+\))\]$/gm)].map(
    ([, file, rule]) => `${file} ${rule}`,
  )
}

it('two files that import each other are refused', () => {
  expect(
    lint({
      'packages/edge/src/a.ts': "import { b } from './b.ts'\nexport const a = () => b\n",
      'packages/edge/src/b.ts': "import { a } from './a.ts'\nexport const b = () => a\n",
    }),
  ).toContain('packages/edge/src/a.ts import(no-cycle)')
})

it.each([
  ['contract', '@mux/edge'],
  ['contract', 'node:fs'],
  ['connections', '@mux/contract'],
  ['edge', '@mux/instance'],
  ['instance', '@mux/edge'],
  ['instance', 'mux'],
])('%s does not import %s', (name, target) => {
  const file = `packages/${name}/src/a.ts`
  expect(lint({ [file]: `export * from '${target}'\n` })).toContain(`${file} eslint(no-restricted-imports)`)
})

it('cli imports all of them', () => {
  const imports = ['contract', 'edge', 'instance'].map((name) => `export * from '@mux/${name}'\n`)
  expect(lint({ 'packages/cli/src/a.ts': imports.join('') })).toEqual([])
})

it.each(['connections', 'edge', 'instance'])('%s measures no time by a clock that jumps', (name) => {
  const text = 'export const late = (end: number) => Date.now() > end\n'
  const file = `packages/${name}/src/a.ts`
  expect(lint({ [file]: text })).toEqual([`${file} eslint(no-restricted-properties)`])
  expect(lint({ [file]: text.replace('Date', 'performance') })).toEqual([])
})

it('a promise that nobody awaits is refused', () => {
  const text = 'async function work(): Promise<void> {}\nexport function start(): void {\n  work()\n}\n'
  expect(lint({ 'packages/edge/src/a.ts': text })).toEqual([
    'packages/edge/src/a.ts typescript(no-floating-promises)',
  ])
})

it('a rule is turned off by name and with a reason', () => {
  const using = (comment: string) => lint({ 'packages/edge/src/a.ts': `${comment}\nconsole.log(1)\n` })
  expect(using('// oxlint-disable-next-line no-console')).toEqual([
    'packages/edge/src/a.ts mux(explain-disable)',
  ])
  expect(using('// oxlint-disable-next-line no-console -- the sample prints')).toEqual([])
})
