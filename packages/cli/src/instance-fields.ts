import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { InstanceName } from '@mux/contract'
import type { InstanceDefinition, InstanceEntry, InstanceLimits, SecretFile } from '@mux/instance'
import { placeholderProblem } from '@mux/instance/settings'
import type { ConfigReader, Place } from './config-reader.ts'
import {
  COUNT_RULE,
  DURATION_RULE,
  isSecretName,
  GROUP_RULE,
  isSettingName,
  parseAccount,
  parseCount,
  parseDuration,
  parseHealthPath,
  parsePathPattern,
  parseSignal,
  parseSize,
  parseTruth,
  PATH_PATTERN_RULE,
  parseUmask,
  PATH_RULE,
  SECRET_NAME_RULE,
  SETTING_NAME_RULE,
  SIZE_RULE,
  UMASK_RULE,
  USER_RULE,
} from './config-values.ts'
import { splitWords } from './shell-words.ts'

/** What `app` says of every instance, or one entry of `instances` of itself: the fields that are there. */
export type InstanceFields = Partial<
  Omit<InstanceDefinition, 'name' | 'command' | 'limits' | 'settings' | 'entry'>
> & {
  /** Present and undefined: there is one, which cannot be used and has been reported. */
  command?: InstanceDefinition['command'] | undefined
  settings: InstanceDefinition['settings']
  limits: Partial<InstanceLimits>
  hooks: Partial<Hooks>
}

/** The commands by which the data of an instance leave and enter; null: its directory is copied. */
export interface Hooks {
  /** Writes the data to its standard output. */
  export: InstanceDefinition['command'] | null
  /** Reads them from its standard input. */
  import: InstanceDefinition['command'] | null
}

/** Where relative paths begin. */
export interface Roots {
  /** Directory of mux.yaml. */
  project: string
  secrets: string
}

const FIELDS = [
  'command',
  'directory',
  'settings',
  'health',
  'probe',
  'boot',
  'restart',
  'idle',
  'idle_ignore',
  'limits',
  'stop_signal',
  'user',
  'group',
  'sandbox',
  'nice',
  'umask',
  'hooks',
] as const
const LIMITS = [
  'start',
  'drain',
  'stop',
  'memory',
  'queue',
  'hold',
  'response',
  'files',
  'processes',
] as const
const OFF = 'off'
/** Milliseconds; more often, looking would cost more than it is worth. */
const LEAST_PROBE = 100
const PROBE_RULE = `${DURATION_RULE}, and at least 100ms; or off`

const DEFAULTS = {
  health: null,
  probe: 10_000,
  boot: 'lazy',
  restart: 'overlap',
  idle: null,
  idleIgnore: [],
  stopSignal: 'SIGTERM',
  user: null,
  group: null,
  sandbox: false,
  nice: 0,
  umask: null,
} as const
const DEFAULT_LIMITS: InstanceLimits = {
  start: 30_000,
  drain: 30_000,
  stop: 10_000,
  hold: 30_000,
  response: 900_000,
  memory: null,
  queue: 1000,
  files: null,
  processes: null,
}

export function readFields(reader: ConfigReader, place: Place, roots: Roots): InstanceFields {
  const found = reader.keys(place, FIELDS)
  return {
    ...(found.command ? { command: readCommand(reader, found.command) } : {}),
    ...present('directory', found.directory && readDirectory(reader, found.directory, roots.project)),
    settings: found.settings ? readSettings(reader, found.settings, roots.secrets) : {},
    ...present('health', reader.parsed(found.health, `${PATH_RULE}, or off`, orOff(parseHealthPath))),
    ...present('probe', reader.parsed(found.probe, PROBE_RULE, orOff(parseProbe))),
    ...present('boot', reader.choice(found.boot, ['lazy', 'eager'])),
    ...present('restart', reader.choice(found.restart, ['overlap', 'replace'])),
    ...present('idle', reader.parsed(found.idle, `${DURATION_RULE}; or off`, orOff(positive(parseDuration)))),
    ...present('idleIgnore', found.idle_ignore && readPaths(reader, found.idle_ignore)),
    limits: found.limits ? readLimits(reader, found.limits) : {},
    ...present(
      'stopSignal',
      reader.parsed(found.stop_signal, 'the name of a signal such as SIGTERM', parseSignal),
    ),
    ...present('user', found.user && readUser(reader, found.user)),
    ...present('group', reader.parsed(found.group, `${GROUP_RULE}, or off`, orOff(parseAccount))),
    ...present('sandbox', reader.parsed(found.sandbox, 'true or false', parseTruth)),
    ...present('nice', reader.integer(found.nice, 0, 19)),
    hooks: found.hooks ? readHooks(reader, found.hooks) : {},
    ...present('umask', reader.parsed(found.umask, UMASK_RULE, orOff(parseUmask))),
  }
}

/** The instance that the fields of `app` and its own make together; undefined without a usable command. */
export function mergeFields(
  name: InstanceName,
  app: InstanceFields,
  own: InstanceFields,
  project: string,
  entry: InstanceEntry,
): InstanceDefinition | undefined {
  // The supervisor has nothing to do with hooks: a change of one is no other instance.
  const { command, hooks: _, ...fields } = { ...DEFAULTS, directory: project, ...app, ...own }
  if (command === undefined) return undefined
  return {
    ...fields,
    name,
    command,
    settings: { ...app.settings, ...own.settings },
    limits: { ...DEFAULT_LIMITS, ...app.limits, ...own.limits },
    entry,
  }
}

export function mergeHooks(app: InstanceFields, own: InstanceFields): Hooks {
  return { export: null, import: null, ...app.hooks, ...own.hooks }
}

function readHooks(reader: ConfigReader, place: Place): Partial<Hooks> {
  const found = reader.keys(place, ['export', 'import'])
  const hook = (command: Place | undefined) =>
    command && (reader.scalar(command) === OFF ? null : readCommand(reader, command))
  return { ...present('export', hook(found.export)), ...present('import', hook(found.import)) }
}

function readCommand(reader: ConfigReader, place: Place): readonly [string, ...string[]] | undefined {
  const items = reader.items(place)
  const expected = 'the program and its arguments, as one text or as a list of texts'
  let words: string[]
  if (items === undefined) {
    const line = reader.scalar(place)
    if (line === undefined) return reader.wrong(place, expected)
    const split = splitWords(line)
    if ('reason' in split)
      return reader.problem(
        place,
        `has ${split.reason}; it is run without a shell: quote it, or write [sh, -c, "..."]`,
      )
    words = split
  } else {
    const texts = items.map((item) => reader.scalar(item) ?? reader.wrong(item, 'a text'))
    words = texts.filter((text) => text !== undefined)
    if (words.length < texts.length) return undefined
  }
  const [program, ...rest] = words
  if (program === undefined || program === '') return reader.wrong(place, expected)
  for (const word of words) checkTemplate(reader, place, word)
  return [program, ...rest]
}

function readDirectory(reader: ConfigReader, place: Place, project: string): string | undefined {
  const text = reader.text(place, 'the path of a directory')
  if (text === undefined) return undefined
  const directory = resolve(project, text)
  const there = text !== '' && statSync(directory, { throwIfNoEntry: false })?.isDirectory()
  return there ? directory : reader.wrong(place, `a directory that is there (looked for ${directory})`)
}

function parseProbe(text: string): number | undefined {
  const milliseconds = parseDuration(text)
  return milliseconds !== undefined && milliseconds >= LEAST_PROBE ? milliseconds : undefined
}

function readPaths(reader: ConfigReader, place: Place): string[] | undefined {
  const items = reader.items(place)
  if (items === undefined) return reader.wrong(place, `a list of paths; ${PATH_PATTERN_RULE}`)
  const paths = items.map((item) => reader.parsed(item, PATH_PATTERN_RULE, parsePathPattern))
  return paths.filter((path) => path !== undefined)
}

function readUser(reader: ConfigReader, place: Place): string | null | undefined {
  const user = reader.parsed(place, `${USER_RULE}, or off`, orOff(parseAccount))
  if (typeof user !== 'string' || process.getuid?.() === 0) return user
  return reader.problem(
    place,
    'takes a mux that runs as root, the only one who may start something as another user',
  )
}

function readSettings(reader: ConfigReader, place: Place, secrets: string): InstanceDefinition['settings'] {
  const settings = new Map<string, string | SecretFile>()
  for (const [name, value] of reader.entries(place)) {
    if (!isSettingName(name)) reader.problem(value, `is no name of a setting; expected ${SETTING_NAME_RULE}`)
    else if (name.startsWith('MUX_'))
      reader.problem(value, 'cannot be set: names that begin with MUX_ are set by mux')
    else {
      const read = reader.isMap(value) ? readSecret(reader, value, secrets) : readText(reader, value)
      if (read !== undefined) settings.set(name, read)
    }
  }
  return Object.fromEntries(settings)
}

function readText(reader: ConfigReader, place: Place): string | undefined {
  const text = reader.scalar(place)
  if (text === undefined)
    return reader.wrong(place, 'a text, a number, true or false, or { secret: NAME }; "" for nothing')
  if (text.includes('\0')) return reader.problem(place, 'has a NUL in it, which no environment can hold')
  checkTemplate(reader, place, text)
  return text
}

function readSecret(reader: ConfigReader, place: Place, secrets: string): SecretFile | undefined {
  const { secret } = reader.keys(place, ['secret'])
  if (secret === undefined)
    return reader.wrong(place, '{ secret: NAME } with the name of a file in .mux/secrets')
  const name = reader.parsed(secret, `the name of a secret: ${SECRET_NAME_RULE}`, (text) =>
    isSecretName(text) ? text : undefined,
  )
  return name === undefined ? undefined : { secretFile: join(secrets, name) }
}

function readLimits(reader: ConfigReader, place: Place): Partial<InstanceLimits> {
  const found = reader.keys(place, LIMITS)
  const duration = (limit: Place | undefined) => reader.parsed(limit, DURATION_RULE, parseDuration)
  return {
    ...present(
      'start',
      reader.parsed(found.start, `${DURATION_RULE}, more than none`, positive(parseDuration)),
    ),
    ...present('drain', duration(found.drain)),
    ...present('stop', duration(found.stop)),
    ...present('hold', duration(found.hold)),
    ...present(
      'response',
      reader.parsed(
        found.response,
        `${DURATION_RULE}, more than none; or off`,
        orOff(positive(parseDuration)),
      ),
    ),
    ...present('memory', reader.parsed(found.memory, `${SIZE_RULE}, or off`, orOff(parseSize))),
    ...present('queue', reader.integer(found.queue, 0, 1_000_000)),
    ...present('files', reader.parsed(found.files, `${COUNT_RULE}, or off`, orOff(parseCount))),
    ...present('processes', reader.parsed(found.processes, `${COUNT_RULE}, or off`, orOff(parseCount))),
  }
}

function checkTemplate(reader: ConfigReader, place: Place, text: string): void {
  const problem = placeholderProblem(text)
  if (problem !== undefined) reader.problem(place, `has a problem: ${problem}`)
}

/** Reads `off` as null besides what `parse` reads. */
function orOff<Value>(parse: (text: string) => Value | undefined) {
  return (text: string): Value | null | undefined => (text === OFF ? null : parse(text))
}

function positive(parse: (text: string) => number | undefined) {
  return (text: string): number | undefined => parse(text) || undefined
}

/** A field that is absent is no field at all, so that it does not cover what `app` says. */
function present<const Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): Partial<Record<Key, Value>> {
  return value === undefined ? {} : ({ [key]: value } as Record<Key, Value>)
}
