import { isAbsolute } from 'node:path'
import type { InstanceDefinition } from './definition.ts'
import type { Address } from './lease.ts'

/** The name of the variable by which the processes of one generation are found, wherever they have moved to. */
export const MARKER_VARIABLE = 'MUX_GENERATION'

/** What is known of one generation before it starts. */
export interface GenerationFacts {
  address: Address
  /** Absolute path of the instance's own directory; also its home where it has a user of its own or a sandbox. */
  data: string
  /** Value of {@link MARKER_VARIABLE}. */
  marker: string
  /** The text of each secret among the settings, by setting. */
  secrets: Readonly<Record<string, string>>
}

/** All that is needed to start a program; nothing of it is completed from anywhere else. */
export interface LaunchPlan {
  program: string
  arguments: string[]
  environment: Record<string, string>
  directory: string
}

/** A definition that cannot be launched as it stands; the message names the field. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

const INHERITED = /^(?:PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR)$/
const PLACEHOLDERS = ['instance', 'port', 'socket', 'data', 'n'] as const
type Placeholder = (typeof PLACEHOLDERS)[number]
/** `{word}` is a placeholder, `{{word}}` is the literal text `{word}`, and any other brace stands for itself. */
const BRACES = /\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}/g

/** What is wrong with the placeholders of a text, or undefined; does not depend on the instance. */
export function placeholderProblem(text: string): string | undefined {
  for (const word of placeholdersOf(text)) {
    if (!PLACEHOLDERS.includes(word as Placeholder)) {
      const known = PLACEHOLDERS.map((name) => `{${name}}`).join(', ')
      return `{${word}} is not a placeholder: known are ${known}; write {{${word}}} for the literal text`
    }
  }
  return undefined
}

/**
 * How the generations of this instance listen: on a Unix socket when the command or a setting names `{socket}`,
 * else on a TCP port.
 * @throws {SettingsError} when both `{socket}` and `{port}` are named
 */
export function addressKind(definition: InstanceDefinition): 'socket' | 'port' {
  const words = new Set(templatesOf(definition).flatMap(([, text]) => placeholdersOf(text)))
  if (words.has('socket') && words.has('port')) {
    throw new SettingsError('{socket} and {port} are both named, but an instance listens on one of them.')
  }
  return words.has('socket') ? 'socket' : 'port'
}

/**
 * What to start for one generation.
 * @param environment the supervisor's own, of which a documented few are passed on
 * @throws {SettingsError} naming the field that cannot be used
 */
export function launchPlan(
  definition: InstanceDefinition,
  facts: GenerationFacts,
  environment: Readonly<NodeJS.ProcessEnv>,
): LaunchPlan {
  const values = placeholderValues(definition, facts)
  const fill = (field: string, text: string) => substitute(field, text, values)
  const [program, ...args] = definition.command.map((part) => fill('command', part))
  if (!program) throw new SettingsError('command: it is empty.')
  if (!isAbsolute(definition.directory)) throw new SettingsError('directory: it is not an absolute path.')
  const { user, group, sandbox } = definition
  if (group !== null && user === null) throw new SettingsError('group: it takes a user as well.')
  if (sandbox && user === null && process.getuid?.() === 0) {
    // Without any capability root still owns the settings of the kernel, and what a core dump runs.
    throw new SettingsError('sandbox: where mux runs as root it takes a user as well; nothing holds root.')
  }

  const given = {
    MUX_INSTANCE: definition.name,
    MUX_DATA: facts.data,
    ...('port' in facts.address
      ? { PORT: `${facts.address.port}` }
      : { MUX_SOCKET: facts.address.socketPath }),
    [MARKER_VARIABLE]: facts.marker,
  }
  const settings = Object.entries(definition.settings).map(([name, value]) => [
    name,
    typeof value === 'string' ? fill(`settings.${name}`, value) : (facts.secrets[name] ?? ''),
  ])
  for (const [name, value] of settings as [string, string][]) checkSetting(name, value, given)
  const inherited = Object.entries(inheritedEnvironment(environment))
  return {
    program,
    arguments: args,
    environment: Object.fromEntries([
      ...inherited.filter(([name]) => !sandbox || name !== 'TMPDIR'),
      // That of mux's own user is none of another's, and cannot be written in a sandbox.
      ...(user === null && !sandbox ? [] : [['HOME', facts.data]]),
      ...settings,
      ...Object.entries(given),
    ]),
    directory: definition.directory,
  }
}

/** What is passed on of mux's own environment to whatever it runs. */
export function inheritedEnvironment(environment: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => INHERITED.test(name)))
}

function checkSetting(name: string, value: string, given: Record<string, string | undefined>): void {
  const reserved = name in given || name.startsWith('MUX_')
  if (reserved && value !== given[name]) {
    throw new SettingsError(`settings.${name}: mux sets this variable itself.`)
  }
  if (name === '' || /[=\0]/.test(name) || value.includes('\0')) {
    throw new SettingsError(`settings.${name.replaceAll('\0', '')}: this cannot stand in an environment.`)
  }
}

function placeholderValues(
  { name }: InstanceDefinition,
  { address, data }: GenerationFacts,
): Record<Placeholder, string | undefined> {
  return {
    instance: name,
    data,
    port: 'port' in address ? `${address.port}` : undefined,
    socket: 'socketPath' in address ? address.socketPath : undefined,
    n: /\d+$/.exec(name)?.[0],
  }
}

function substitute(field: string, text: string, values: Record<Placeholder, string | undefined>): string {
  const problem = placeholderProblem(text)
  if (problem) throw new SettingsError(`${field}: ${problem}.`)
  return text.replace(BRACES, (_, literal: string | undefined, word: string) => {
    if (literal !== undefined) return `{${literal}}`
    const value = values[word as Placeholder]
    if (value !== undefined) return value
    // Only {n} can be without a value: whether there is a port or a socket follows from what is named.
    throw new SettingsError(`${field}: {n} is the number at the end of the instance's name, and it has none.`)
  })
}

function templatesOf({ command, settings }: InstanceDefinition): [string, string][] {
  const texts = Object.entries(settings).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return [...command.map((part): [string, string] => ['command', part]), ...texts]
}

function placeholdersOf(text: string): string[] {
  return [...text.matchAll(BRACES)].flatMap((match) => match[2] ?? [])
}
