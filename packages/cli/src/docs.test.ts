import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROBLEMS } from '@mux/contract'
import { Config } from '@oclif/core'
import { describe, expect, it } from 'vitest'
import { listenText } from './config-values.ts'
import { CLI_ERRORS, CliError } from './errors.ts'
import { DEFAULT_HOST_LISTEN } from './host-section.ts'
import { parseConfig } from './mux-yaml.ts'
import { projectAt } from './project.ts'
import { duration } from './render.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PROJECT = projectAt(ROOT)
const { commands } = await Config.load(fileURLToPath(new URL('..', import.meta.url)))
const FILES = [
  'README.md',
  'examples/notes/README.md',
  'examples/django/README.md',
  ...(await readdir(join(ROOT, 'docs'))).map((name) => join('docs', name)),
]

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** The cells of the rows of all tables of a page, without what surrounds them. */
function rowsOf(file: string): string[][] {
  const lines = read(file)
    .split('\n')
    .filter((line) => line.startsWith('| '))
  return lines.map((line) => line.split('|').slice(1, -1)).map((row) => row.map((cell) => cell.trim()))
}

describe('docs/mux-yaml.md', () => {
  const [instance, config] = defaults()
  const { limits } = instance
  const orOff = (value: number | string | null) =>
    typeof value === 'number' ? duration(value) : (value ?? 'off')
  const days = (milliseconds: number) => `${milliseconds / 86_400_000}d`
  const DEFAULTS: Record<string, string> = {
    'app.health': orOff(instance.health),
    'app.probe': orOff(instance.probe),
    'app.boot': instance.boot,
    'app.restart': instance.restart,
    'app.idle': orOff(instance.idle),
    'app.limits.start': duration(limits.start),
    'app.limits.drain': duration(limits.drain),
    'app.limits.stop': duration(limits.stop),
    'app.limits.hold': duration(limits.hold),
    'app.limits.response': orOff(limits.response),
    'app.limits.queue': String(limits.queue),
    'app.limits.memory': orOff(limits.memory),
    'app.limits.files': orOff(limits.files),
    'app.limits.processes': orOff(limits.processes),
    'app.stop_signal': instance.stopSignal,
    'app.user': orOff(instance.user),
    'app.group': orOff(instance.group),
    'app.sandbox': String(instance.sandbox),
    'app.nice': String(instance.nice),
    'app.umask': orOff(instance.umask),
    'pool.max': String(config.pool.max),
    'pool.name': config.pool.name,
    'edge.listen': `${config.edge.listen.host}:${config.edge.listen.port}`,
    'edge.identity_header': config.edge.identityHeader,
    'edge.cookies': config.edge.cookies,
    'host.listen': listenText(DEFAULT_HOST_LISTEN),
    registry: config.registry,
    'edge.limits.connections': String(config.edge.limits.connections),
    'edge.limits.requests': String(config.edge.limits.requests),
    'edge.limits.body': duration(config.edge.limits.body),
    'edge.behind_proxy': String(config.edge.behindProxy),
    'edge.session.absolute': days(config.edge.session.absolute),
    'edge.session.idle': days(config.edge.session.idle),
  }
  const documented = new Map(rowsOf('docs/mux-yaml.md').map(([key, , value]) => [key, value]))

  it.each(keys())('has the key %s, with the default that it has', (key) => {
    expect([...documented.keys()]).toContain(`\`${key}\``)
    if (key in DEFAULTS) expect(documented.get(`\`${key}\``)).toBe(`\`${DEFAULTS[key]}\``)
  })

  function defaults() {
    const config = parseConfig('app: { command: x }\ninstances: { a: {} }', PROJECT)
    return [config.instances[0]!, config] as const
  }

  function keys(): string[] {
    const maps = [
      'app',
      'app.limits',
      'app.hooks',
      'pool',
      'edge',
      'edge.session',
      'edge.limits',
      'edge.tls',
      'host',
      'host.tls',
    ]
    const all = ['', ...maps].flatMap((map) => keysOf(map).map((key) => (map === '' ? key : `${map}.${key}`)))
    return all.filter((key) => !maps.includes(key))
  }

  /** The keys that a map may have, as the refusal of another one names them. */
  function keysOf(map: string): string[] {
    const path = map === '' ? [] : map.split('.')
    const text = path.reduceRight((inner, key) => `{ ${key}: ${inner} }`, '{ nosuchkey: 1 }')
    try {
      parseConfig(text, PROJECT)
    } catch (error) {
      const line = error instanceof CliError && error.details.find((one) => one.includes('"nosuchkey"'))
      if (line) return line.replace(/.*expected one of /, '').split(', ')
    }
    throw new Error(`The refusal of ${text} names no keys.`)
  }
})

it('docs/http.md has every problem code with its status, and no other', () => {
  const rows = rowsOf('docs/http.md').filter(([, status]) => /^\d{3}$/.test(status ?? ''))
  const documented = Object.fromEntries(rows.map(([code, status]) => [code, Number(status)]))
  const known = Object.entries(PROBLEMS).map(([code, { status }]) => [`\`${code}\``, status])
  expect(documented).toEqual(Object.fromEntries(known))
})

it('docs/running.md has every error code beside its exit code, and every page that names one agrees', () => {
  const table = rowsOf('docs/running.md').filter(([exit]) => /^\d+$/.test(exit ?? ''))
  const codes = table.flatMap(([exit, , cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, code]) => [code, Number(exit)]),
  )
  expect(Object.fromEntries(codes)).toEqual(CLI_ERRORS)
  for (const [code, exit] of FILES.flatMap(rowsOf)) {
    const name = /^`(\w+)`/.exec(code!)?.[1]
    if (name !== undefined && name in CLI_ERRORS && /^(?:\d|130)$/.test(exit!))
      expect([name, Number(exit)]).toEqual([name, CLI_ERRORS[name as keyof typeof CLI_ERRORS]])
  }
})

describe.each(FILES)('%s', (file) => {
  it('shows only commands and options that there are', () => {
    const unknown = commandLines(read(file)).flatMap((line) => {
      const words = line.split(/\s+/)
      const command = commands.find(({ id }) => id === words.slice(0, id.split(':').length).join(':'))
      if (command === undefined) return [`mux ${line}`]
      const names = Object.values(command.flags).flatMap(({ name, char }) => [
        `--${name}`,
        `--no-${name}`,
        `-${char}`,
      ])
      return words.filter((word) => /^--?[a-z]/.test(word) && !names.includes(word.replace(/=.*/, '')))
    })
    expect(unknown).toEqual([])
  })

  it('links to what is there', () => {
    const links = [...read(file).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!)
    const dead = links.filter((link) => !/^https?:/.test(link) && !isThere(file, link))
    expect(dead).toEqual([])
  })
})

/** What follows `mux ` wherever a command is called, as far as that goes. */
function commandLines(text: string): string[] {
  const code = [...text.matchAll(/```[^\n]*\n([^]*?)```|`([^`\n]+)`/g)].map(
    ([, block, inline]) => block ?? inline!,
  )
  const calls = code.flatMap((piece) => [...piece.matchAll(/(?:^|[\s(]|\/mux\/)mux ([a-z][^\n#|;()]*)/g)])
  const topics = new Set(commands.map(({ id }) => id.split(':')[0]))
  const isCall = (line: string) => topics.has(line.split(' ')[0]) && /^\w+(?: [a-z-].*)?$/.test(line)
  return calls.map(([, line]) => line!.replace(/",.*/, '').trim()).filter(isCall)
}

function isThere(file: string, link: string): boolean {
  const [path, anchor] = link.split('#')
  const target = path === '' ? file : relative(ROOT, resolve(ROOT, dirname(file), path!))
  if (!existsSync(join(ROOT, target))) return false
  if (anchor === undefined) return true
  const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!.toLowerCase())
  return headings.map((one) => one.replace(/[^\w\- ]/g, '').replaceAll(' ', '-')).includes(anchor)
}
