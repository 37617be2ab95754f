import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseInstanceName } from '@mux/contract'
import { splitWords } from '../shell-words.ts'

/** One setting for the mux.yaml that is written, with what its reader should know. */
export interface SuggestedSetting {
  name: string
  value: string
  comment: string | null
}

/** What kind of application lies in a directory, and how it is run. */
export interface Application {
  kind: 'django' | 'rails' | 'node' | 'other'
  /** In the words of a sentence: `a Django project (mysite.settings)`. */
  title: string
  /** The beginning of its instances' names. */
  prefix: string
  command: readonly string[]
  /** About the command. */
  comment: string
  settings: readonly SuggestedSetting[]
  /** How the application learns who is signed in. */
  identity: string
  /** What its people have to do before it works as it should. */
  advice: readonly string[]
}

/** Looks at the files of a directory; nothing of it is run. */
export function recognise(directory: string, path: string | undefined): Application {
  return django(directory, path) ?? rails(directory) ?? node(directory) ?? other(directory)
}

function django(directory: string, path: string | undefined): Application | undefined {
  const manage = read(directory, 'manage.py')
  const settingsModule = /DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']/.exec(manage ?? '')?.[1]
  if (settingsModule === undefined) return undefined
  const wsgi = wsgiModule(directory, settingsModule)
  const settings = read(directory, `${settingsModule.replaceAll('.', '/')}.py`) ?? ''
  const tool = (name: string) =>
    ['.venv', 'venv', 'env']
      .map((venv) => `${venv}/bin/${name}`)
      .find((file) => isProgram(join(directory, file)))
  const gunicorn = tool('gunicorn') ?? (hasGunicorn(directory, path) ? 'gunicorn' : undefined)
  const shared = {
    kind: 'django' as const,
    title: `a Django project (${settingsModule}, ${gunicorn === undefined ? 'without gunicorn' : 'gunicorn'})`,
    prefix: 'django',
    settings: [
      { name: 'DJANGO_SETTINGS_MODULE', value: settingsModule, comment: null },
      {
        name: 'DATABASE_NAME',
        value: '{data}/db.sqlite3',
        comment:
          'The settings have to use it: DATABASES = {"default": {..., "NAME": os.environ["DATABASE_NAME"]}}',
      },
    ],
    identity:
      'Django: a subclass of RemoteUserMiddleware with header = "HTTP_X_REMOTE_USER", and RemoteUserBackend.',
    advice: settings.includes('DATABASE_NAME')
      ? []
      : [
          `Have ${settingsModule} take its database from os.environ["DATABASE_NAME"], or all instances share one.`,
        ],
  }
  if (gunicorn !== undefined && wsgi !== undefined)
    return {
      ...shared,
      command: [gunicorn, wsgi, '--bind', 'unix:{socket}'],
      comment: 'Run without a shell. {socket} becomes a Unix socket that only mux can reach.',
    }
  return {
    ...shared,
    command: [tool('python') ?? 'python3', 'manage.py', 'runserver', '--noreload', '127.0.0.1:{port}'],
    comment: `Django's own server, because gunicorn was not found. Better: gunicorn ${wsgi ?? 'mysite.wsgi'} --bind unix:{socket}`,
  }
}

function wsgiModule(directory: string, settingsModule: string): string | undefined {
  const packages = settingsModule.split('.').slice(0, -1)
  for (let depth = packages.length; depth > 0; depth -= 1) {
    const candidate = [...packages.slice(0, depth), 'wsgi']
    if (read(directory, `${candidate.join('/')}.py`) !== undefined) return candidate.join('.')
  }
  return undefined
}

function hasGunicorn(directory: string, path: string | undefined): boolean {
  const named = ['requirements.txt', 'pyproject.toml', 'Pipfile', 'setup.py', 'setup.cfg']
  return (
    named.some((file) => /\bgunicorn\b/.test(read(directory, file) ?? '')) ||
    (path ?? '').split(':').some((entry) => entry !== '' && isProgram(join(entry, 'gunicorn')))
  )
}

function rails(directory: string): Application | undefined {
  if (read(directory, 'bin/rails') === undefined) return undefined
  if (read(directory, 'config.ru') === undefined && read(directory, 'config/application.rb') === undefined)
    return undefined
  return {
    kind: 'rails',
    title: 'a Rails application',
    prefix: 'rails',
    command: [
      'bin/rails',
      'server',
      '--binding',
      '127.0.0.1',
      '--port',
      '{port}',
      '--pid',
      '{data}/server-{port}.pid',
    ],
    comment:
      'Run without a shell. Each run has a port and a pid file of its own: two of them overlap at a restart.',
    settings: [
      {
        name: 'RAILS_ENV',
        value: 'development',
        comment:
          'production, once the assets are built and SECRET_KEY_BASE is set: mux instance set NAME --secret SECRET_KEY_BASE',
      },
      { name: 'DATABASE_URL', value: 'sqlite3:{data}/db.sqlite3', comment: 'Over config/database.yml.' },
      { name: 'RAILS_LOG_TO_STDOUT', value: '1', comment: null },
    ],
    identity: 'Rails: request.headers["X-Remote-User"]',
    advice: [
      'Each instance begins with an empty database; for the first one: DATABASE_URL=sqlite3:.mux/data/rails1/db.sqlite3 bin/rails db:prepare',
    ],
  }
}

function node(directory: string): Application | undefined {
  const text = read(directory, 'package.json')
  const manifest = text === undefined ? undefined : parseManifest(text)
  const main = ['server.js', 'server.mjs', 'app.js', 'index.js'].find(
    (file) => read(directory, file) !== undefined,
  )
  if (manifest === undefined && main === undefined) return undefined
  const start = manifest?.start === undefined ? undefined : startCommand(directory, manifest.start)
  const file =
    manifest?.main !== undefined && read(directory, manifest.main) !== undefined ? manifest.main : main
  const command = start ?? (file === undefined ? undefined : ['node', file])
  if (command === undefined) return undefined
  return {
    kind: 'node',
    title: `a Node application (${command.join(' ')})`,
    prefix: prefixOf(manifest?.name?.replace(/^@.*\//, '') ?? basename(directory), 'node'),
    command,
    comment:
      'Run without a shell. The application listens on 127.0.0.1, on the port in PORT, which mux sets.',
    settings: [
      { name: 'NODE_ENV', value: 'production', comment: null },
      {
        name: 'DATABASE',
        value: '{data}/db.sqlite',
        comment: 'The application has to use it: process.env.DATABASE. Name it as the application does.',
      },
    ],
    identity: "Node: request.headers['x-remote-user']",
    advice: [
      "Have the application keep what is somebody's in the directory MUX_DATA, or all instances share it.",
    ],
  }
}

/** The program that `npm start` comes to, since npm between mux and the application would only stand in the way of signals. */
function startCommand(directory: string, script: string): string[] {
  const words = splitWords(script)
  if (!('reason' in words)) {
    const [program = '', ...rest] = words
    if (program === 'node') return words
    if (isProgram(join(directory, 'node_modules/.bin', program)))
      return [`node_modules/.bin/${program}`, ...rest]
  }
  return ['npm', 'start']
}

function parseManifest(text: string): { name?: string; main?: string; start?: string } | undefined {
  try {
    const { name, main, scripts } = JSON.parse(text) as Record<string, unknown>
    const start = (scripts as Record<string, unknown> | undefined)?.['start']
    return {
      ...(typeof name === 'string' ? { name } : {}),
      ...(typeof main === 'string' ? { main } : {}),
      ...(typeof start === 'string' ? { start } : {}),
    }
  } catch {
    return undefined
  }
}

function other(directory: string): Application {
  return {
    kind: 'other',
    title: 'no application that mux knows',
    prefix: prefixOf(basename(directory), 'app'),
    command: ['./start', '--port', '{port}'],
    comment:
      'TO DO: the program that serves one person, run without a shell. {port} is where it has to listen, on 127.0.0.1;\n  # with {socket} in its place, it gets the path of a Unix socket.',
    settings: [
      {
        name: 'DATABASE',
        value: '{data}/db.sqlite',
        comment: 'Whatever the program reads from its environment.',
      },
    ],
    identity: 'Every request carries it.',
    advice: ['Put the command that serves your application into mux.yaml.'],
  }
}

/** A name that an instance can begin with, and that its number does not run into. */
function prefixOf(text: string, otherwise: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
  const prefix = /\d$/.test(name) ? `${name}-` : name
  return parseInstanceName(`${prefix}1`) === undefined || prefix === '' ? otherwise : prefix
}

function read(directory: string, file: string): string | undefined {
  const path = join(directory, file)
  try {
    return statSync(path).size > 1024 * 1024 ? undefined : readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
