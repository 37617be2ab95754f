import { describe, expect, it } from 'vitest'
import { define } from './fixtures/laboratory.ts'
import { addressKind, type GenerationFacts, launchPlan, placeholderProblem } from './settings.ts'

const onSocket: GenerationFacts = {
  address: { socketPath: '/run/a.sock' },
  data: '/data/django2',
  marker: 'django2.1.abc',
  secrets: {},
}
const onPort: GenerationFacts = { ...onSocket, address: { port: 4711 } }

function planOf(
  changes: Parameters<typeof define>[2],
  {
    name = 'django2',
    facts = onPort,
    environment = {},
  }: Partial<{
    name: string
    facts: GenerationFacts
    environment: NodeJS.ProcessEnv
  }> = {},
) {
  return launchPlan(define(name, 'serves', changes), facts, environment)
}

describe('a placeholder', () => {
  it.each([
    ['{instance}', onPort, 'django2'],
    ['{data}/db.sqlite3', onPort, '/data/django2/db.sqlite3'],
    ['--bind=127.0.0.1:{port}', onPort, '--bind=127.0.0.1:4711'],
    ['unix:{socket}', onSocket, 'unix:/run/a.sock'],
    ['mysite.{instance}_settings', onPort, 'mysite.django2_settings'],
    ['{n}{n}', onPort, '22'],
    ['{{instance}} is {instance}', onPort, '{instance} is django2'],
    ['{"a": {"b": 1}} {} { port } {0} ${', onPort, '{"a": {"b": 1}} {} { port } {0} ${'],
  ])('%j is filled in, in the command and in a setting', (text, facts, filled) => {
    const plan = planOf({ command: ['app', text], settings: { TEXT: text } }, { facts })
    expect(plan.arguments).toEqual([filled])
    expect(plan.environment['TEXT']).toBe(filled)
  })

  it.each([
    ['{prot}', 'settings.TEXT: {prot} is not a placeholder'],
    ['${HOME}', 'settings.TEXT: {HOME} is not a placeholder'],
    ['{{port}', 'serves'],
  ])('%j that is unknown is an error that names it', (text, message) => {
    const plan = () => planOf({ settings: { TEXT: text } })
    if (message === 'serves') expect(plan().environment['TEXT']).toBe('{4711')
    else expect(plan).toThrow(message)
  })

  it('{n} is an error where the name ends in no number', () => {
    expect(() => planOf({ settings: { TEXT: '{n}' } }, { name: 'blog' })).toThrow(/settings.TEXT: \{n\}/)
  })

  it('is not looked for in a secret', () => {
    const settings = { KEY: { secretFile: '/secret' } }
    const facts = { ...onPort, secrets: { KEY: 'a{nonsense}b' } }
    expect(planOf({ settings }, { facts }).environment['KEY']).toBe('a{nonsense}b')
  })

  it('is checked without an instance', () => {
    expect(placeholderProblem('{data}/{n}')).toBeUndefined()
    expect(placeholderProblem('{date}')).toMatch(/\{date\} is not a placeholder.*\{data\}.*\{\{date\}\}/)
  })
})

describe('an instance listens', () => {
  it('on a Unix socket when its command or a setting says {socket}, else on a port', () => {
    expect(addressKind(define('a', 'serves', { command: ['app', 'unix:{socket}'] }))).toBe('socket')
    expect(addressKind(define('a', 'serves', { settings: { BIND: 'unix:{socket}' } }))).toBe('socket')
    expect(addressKind(define('a', 'serves', { command: ['app', '{port}'] }))).toBe('port')
    expect(addressKind(define('a', 'serves', { command: ['app', '{{socket}}'] }))).toBe('port')
  })

  it('on one of them only', () => {
    const both = define('a', 'serves', { command: ['app', '{socket}', '{port}'] })
    expect(() => addressKind(both)).toThrow(/both/)
  })
})

describe('the environment of a generation', () => {
  const environment = {
    PATH: '/bin',
    HOME: '/home/op',
    LANG: 'C',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    TMPDIR: '/tmp',
    AWS_SECRET_ACCESS_KEY: 'planted',
    NODE_OPTIONS: '--require evil',
    LC_: 'planted',
    PATHS: 'planted',
    MUX_PROJECT: 'planted',
  }

  it('holds the documented few of the supervisor, its settings, and what mux gives, and nothing else', () => {
    expect(planOf({ settings: { A: '1' } }, { environment }).environment).toEqual({
      PATH: '/bin',
      HOME: '/home/op',
      LANG: 'C',
      LC_ALL: 'C.UTF-8',
      TZ: 'UTC',
      TMPDIR: '/tmp',
      A: '1',
      PORT: '4711',
      MUX_INSTANCE: 'django2',
      MUX_DATA: '/data/django2',
      MUX_GENERATION: 'django2.1.abc',
    })
  })

  it('has MUX_SOCKET instead of PORT on a Unix socket', () => {
    const plan = planOf({ command: ['app', '{socket}'] }, { facts: onSocket })
    expect(plan.environment).toMatchObject({ MUX_SOCKET: '/run/a.sock' })
    expect(plan.environment).not.toHaveProperty('PORT')
  })

  it('takes the value of a setting over the one that it inherits', () => {
    expect(planOf({ settings: { TZ: 'Europe/Oslo' } }, { environment }).environment['TZ']).toBe('Europe/Oslo')
  })

  it.each([
    ['MUX_INSTANCE', 'other'],
    ['MUX_ANYTHING', 'x'],
    ['PORT', '3000'],
  ])('does not let the setting %s contradict mux', (name, value) => {
    expect(() => planOf({ settings: { [name]: value } })).toThrow(`settings.${name}: mux sets`)
  })

  it('lets a setting say the same as mux', () => {
    expect(planOf({ settings: { PORT: '{port}' } }).environment['PORT']).toBe('4711')
  })

  it.each([
    ['A=B', 'x'],
    ['', 'x'],
    ['A', 'x\0y'],
  ])('refuses what cannot stand in one: %j = %j', (name, value) => {
    expect(() => planOf({ settings: { [name]: value } })).toThrow(/cannot stand in an environment/)
  })
})

it('a command or a directory that says nothing is refused by name', () => {
  expect(() => planOf({ command: [''] })).toThrow(/^command: it is empty/)
  expect(() => planOf({ directory: 'mysite' })).toThrow(/^directory: it is not an absolute path/)
})
