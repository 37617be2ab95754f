import { Flags } from './oclif.ts'
import { askHidden, canAsk, readHidden } from './ask.ts'
import { isSettingName, SETTING_NAME_RULE } from './config-values.ts'
import { CliError } from './errors.ts'

export const secretFlag = Flags.string({
  description:
    'setting whose value is a secret: asked for, or read from standard input, and kept in .mux/secrets',
  helpValue: 'NAME',
  multiple: true,
  // Or a SETTING=VALUE behind it would be taken for another name.
  multipleNonGreedy: true,
  default: [],
})

export const keepFlag = Flags.boolean({
  description: 'leave the change in mux.yaml, also where the instance cannot start with it',
  default: false,
})

/** Settings given as `NAME=VALUE`; the value may be empty and may have further `=` in it. */
export function parseSettings(texts: readonly string[]): Record<string, string> {
  const settings = new Map<string, string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    if (at < 0) throw new CliError('setting_invalid', `${JSON.stringify(text)} is no NAME=VALUE.`)
    const name = parseSettingName(text.slice(0, at))
    if (settings.has(name)) throw new CliError('setting_invalid', `${name} is given more than once.`)
    settings.set(name, text.slice(at + 1))
  }
  return Object.fromEntries(settings)
}

export function parseSettingName(text: string): string {
  if (isSettingName(text) && !text.startsWith('MUX_')) return text
  throw new CliError('setting_invalid', `${JSON.stringify(text)} cannot be the name of a setting.`, {
    hint: `It has to be: ${SETTING_NAME_RULE}; and MUX_ is for mux itself.`,
  })
}

/** The values of secret settings, which are on no command line. */
export async function readSecrets(
  names: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const wanted = names.map(parseSettingName)
  for (const [at, name] of wanted.entries())
    if (wanted.indexOf(name) < at || name in settings)
      throw new CliError('setting_invalid', `${name} is given more than once.`)
  if (!canAsk() && wanted.length > 1) return secretsIn(await readHidden('secrets'), wanted)
  const secrets = new Map<string, string>()
  for (const name of wanted)
    secrets.set(name, canAsk() ? await askHidden(name, false) : await readHidden('secret'))
  return Object.fromEntries(secrets)
}

/** What {@link readSecrets} reads where nobody can be asked. */
export function secretsAsInput(secrets: Readonly<Record<string, string>>): string {
  const values = Object.values(secrets)
  // One line break at the end is not part of a secret.
  return values.length === 1 ? `${values[0]}\n` : JSON.stringify(secrets)
}

/** Several secrets are a JSON object on standard input, by their names. */
function secretsIn(text: string, names: readonly string[]): Record<string, string> {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    given = undefined
  }
  const found = typeof given === 'object' && given !== null ? new Map(Object.entries(given)) : undefined
  const isWhole = found?.size === names.length && names.every((name) => typeof found.get(name) === 'string')
  if (!isWhole)
    throw new CliError('usage', 'Standard input has to hold these secrets and no others.', {
      hint: 'One is the text itself; several are JSON: {"NAME": "VALUE", "OTHER": "VALUE"}',
    })
  return Object.fromEntries(found) as Record<string, string>
}
