import { execFileSync } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { isIP } from 'node:net'
import { homedir, userInfo } from 'node:os'
import { basename, delimiter, isAbsolute, join } from 'node:path'
import { replaceFile } from '@mux/instance/atomic-file'
import type { ListenAddress } from '../config-values.ts'
import { CliError } from '../errors.ts'
import { readConfig } from '../mux-yaml.ts'
import { refuseOpenHttp } from '../open-http.ts'
import { PROGRAM } from '../program.ts'
import type { Project } from '../project.ts'
import { mark, type ServicePlan, type ServiceScope, serviceUnit, socketUnit } from '../service-units.ts'
import { endLimit } from './order-limits.ts'

/** Milliseconds in which systemctl has to tell its version. */
const VERSION_LIMIT = 5_000

export interface ServiceOptions {
  project: Project
  scope: ServiceScope
  /** Of the units; undefined: by the project's directory. */
  name: string | undefined
  environment: NodeJS.ProcessEnv
}

export interface Unit {
  file: string
  text: string
}

export interface Service {
  scope: ServiceScope
  name: string
  /** Where both units lie. */
  directory: string
  units: Unit[]
}

export type UnitChange = 'written' | 'unchanged'

/**
 * The units under which systemd would run a project, from mux.yaml as it is now. Writes nothing.
 * @throws {CliError} `config_invalid`, `address_unusable`, `name_invalid`, `plain_http_refused`, `usage`
 */
export async function describeService(options: ServiceOptions): Promise<Service> {
  const { project, scope, environment } = options
  const { edge, host, instances } = await readConfig(project)
  const door = host ?? edge
  // Or the service would be refused each time that it is started.
  if (door.tls === null && !edge.behindProxy) await refuseOpenHttp(door.listen.host)
  if (/\p{Cc}|\\$/u.test(project.directory))
    throw new CliError('usage', 'systemd cannot be told of a directory with such a name.', 'Rename it.')
  const name = serviceName(options)
  const plan: ServicePlan = {
    scope,
    name,
    directory: project.directory,
    program: [process.execPath, PROGRAM],
    path: searchPath(environment['PATH']),
    listen: await literal(door.listen, host ? 'host.listen' : 'edge.listen'),
    user: scope === 'system' ? ownerOf(project.directory) : undefined,
    limit: endLimit(instances),
    knowsSubgroup: systemdVersion(environment) >= 254,
  }
  const directory = unitDirectory(options)
  const units = [
    { file: join(directory, `${name}.service`), text: serviceUnit(plan) },
    { file: join(directory, `${name}.socket`), text: socketUnit(plan) },
  ]
  return { scope, name, directory, units }
}

/**
 * Writes the units of a project where systemd looks for them; again, it brings them up to date.
 * @throws {CliError} also `service_exists` when there is one of that name that is not this project's
 */
export async function installService(
  options: ServiceOptions,
): Promise<Service & { changes: Record<string, UnitChange> }> {
  const service = await describeService(options)
  const known = service.units.map(({ file }) => ownText(file, options.project))
  const changes: Record<string, UnitChange> = {}
  try {
    await mkdir(service.directory, { recursive: true })
    for (const [i, { file, text }] of service.units.entries()) {
      changes[file] = known[i] === text ? 'unchanged' : 'written'
      if (known[i] !== text) await replaceFile(file, text, 0o644)
    }
  } catch (error) {
    throw service.scope === 'system' ? asRoot(error as NodeJS.ErrnoException) : error
  }
  return { ...service, changes }
}

/**
 * Removes what {@link installService} wrote. mux.yaml may be broken by then.
 * @throws {CliError} `service_not_found`; `service_exists` when it is not this project's; `service_enabled`
 */
export function uninstallService(options: ServiceOptions): { name: string; removed: string[] } {
  const name = serviceName(options)
  const directory = unitDirectory(options)
  const units = ['service', 'socket'].map((kind) => `${name}.${kind}`)
  const present = units
    .map((unit) => join(directory, unit))
    .filter((file) => ownText(file, options.project) !== undefined)
  if (present.length === 0) {
    throw new CliError('service_not_found', `There is no service ${name} in ${directory}.`, {
      hint: 'Installed for the other of --user and --system, or under another --name?',
    })
  }
  if (isEnabled(directory, units)) {
    const systemctl = systemctlOf(options.scope)
    throw new CliError('service_enabled', `${name} is enabled, and may run.`, {
      hint: `First: ${systemctl} disable --now ${units.toReversed().join(' ')}`,
    })
  }
  try {
    for (const file of present) rmSync(file)
  } catch (error) {
    throw options.scope === 'system' ? asRoot(error as NodeJS.ErrnoException) : error
  }
  return { name, removed: present }
}

function asRoot(error: NodeJS.ErrnoException): Error {
  if (error.code !== 'EACCES') return error
  return new CliError('not_permitted', 'The units of the machine are changed by root only.', {
    hint: 'As root: sudo env PATH="$PATH" mux service ... --system   For your own systemd: --user',
    cause: error,
  })
}

/** How to speak to the systemd of a scope. */
export function systemctlOf(scope: ServiceScope): string {
  return scope === 'user' ? 'systemctl --user' : 'systemctl'
}

function unitDirectory({ scope, environment }: ServiceOptions): string {
  if (scope === 'system') return '/etc/systemd/system'
  const configured = environment['XDG_CONFIG_HOME']
  const home = configured && isAbsolute(configured) ? configured : join(homedir(), '.config')
  return join(home, 'systemd/user')
}

function serviceName({ name, project }: ServiceOptions): string {
  if (name === undefined) {
    const word = basename(project.directory).replace(/[^A-Za-z0-9]+/g, '-')
    return `mux-${word.replace(/^-|-$/g, '').slice(0, 100).toLowerCase() || 'project'}`
  }
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,100}$/.test(name)) return name
  throw new CliError('name_invalid', `${JSON.stringify(name)} cannot be the name of a service.`, {
    hint: 'A name such as mux-notes: letters, digits, _ and -, beginning with a letter or digit.',
  })
}

/** 0 where there is none to ask. */
function systemdVersion(env: NodeJS.ProcessEnv): number {
  try {
    const text = execFileSync('systemctl', ['--version'], {
      encoding: 'utf8',
      env,
      timeout: VERSION_LIMIT,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return Number(/^systemd (\d+)/.exec(text)?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** What is searched from where one happens to be is of no use there; nor is what no unit can hold. */
function searchPath(path = ''): string {
  const directories = path.split(delimiter).filter((one) => isAbsolute(one) && !/\p{Cc}/u.test(one))
  return [...new Set(directories)].join(delimiter)
}

/** A socket unit takes addresses only. */
async function literal({ host, port }: ListenAddress, key: string): Promise<ListenAddress> {
  const unusable = (message: string) =>
    new CliError('address_unusable', message, `Write an address and a port into ${key} of mux.yaml.`)
  if (port === 0) throw unusable(`${key} has port 0, and systemd has to know the port.`)
  if (isIP(host) !== 0) return { host, port }
  try {
    return { host: (await lookup(host)).address, port }
  } catch {
    throw unusable(`${key} names ${host}, which this machine does not know.`)
  }
}

function ownerOf(directory: string): string {
  const { uid } = statSync(directory)
  const { uid: own, username } = userInfo()
  return uid === own ? username : String(uid)
}

/** A unit that is there already; undefined when there is none. */
function ownText(file: string, { directory }: Project): string | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (text.startsWith(`${mark(directory)}\n`)) return text
  throw new CliError('service_exists', `${file} is there already, and is not of this project.`, {
    hint: 'Choose another name: --name mux-NAME',
  })
}

/** What systemctl enable makes: a link in the directory of the target that wants it. */
function isEnabled(directory: string, units: readonly string[]): boolean {
  return readdirSync(directory)
    .filter((entry) => entry.endsWith('.wants'))
    .some((wants) => readdirSync(join(directory, wants)).some((unit) => units.includes(unit)))
}
