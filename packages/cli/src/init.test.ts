import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runMux, temporaryDirectory } from './fixtures/run-mux.ts'
import { readConfigText } from './config-text.ts'
import { readConfig } from './mux-yaml.ts'
import { initProject } from './operations/init-project.ts'
import { projectAt } from './project.ts'

const MANAGE = `import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n`
const DJANGO = {
  'manage.py': MANAGE,
  'mysite/__init__.py': '',
  'mysite/settings.py': '',
  'mysite/wsgi.py': '',
}
/** A search path without gunicorn, whatever this machine has. */
const PATH = dirname(process.execPath)

function application(files: Record<string, string>, name = 'site'): string {
  const directory = join(temporaryDirectory(), name)
  mkdirSync(directory)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text)
    if (file.includes('bin/')) chmodSync(join(directory, file), 0o755)
  }
  return directory
}

describe('mux init writes a mux.yaml that works', () => {
  it.each([
    [
      'Django with gunicorn among its requirements',
      { ...DJANGO, 'requirements.txt': 'Django\ngunicorn==23\n' },
      'django',
      'django1',
      ['gunicorn', 'mysite.wsgi', '--bind', 'unix:{socket}'],
    ],
    [
      'Django with gunicorn in a virtual environment',
      { ...DJANGO, '.venv/bin/gunicorn': '' },
      'django',
      'django1',
      ['.venv/bin/gunicorn', 'mysite.wsgi', '--bind', 'unix:{socket}'],
    ],
    [
      'Django without gunicorn',
      DJANGO,
      'django',
      'django1',
      ['python3', 'manage.py', 'runserver', '--noreload', '127.0.0.1:{port}'],
    ],
    [
      'Django with settings in parts',
      {
        'manage.py': MANAGE.replace('mysite.settings', 'mysite.settings.local'),
        'mysite/settings/local.py': '',
        'mysite/wsgi.py': '',
        'venv/bin/gunicorn': '',
      },
      'django',
      'django1',
      ['venv/bin/gunicorn', 'mysite.wsgi', '--bind', 'unix:{socket}'],
    ],
    [
      'Rails',
      { 'bin/rails': '', 'config.ru': '' },
      'rails',
      'rails1',
      [
        'bin/rails',
        'server',
        '--binding',
        '127.0.0.1',
        '--port',
        '{port}',
        '--pid',
        '{data}/server-{port}.pid',
      ],
    ],
    [
      'Node that is started by node',
      {
        'package.json':
          '{"name":"@a/Notes","scripts":{"start":"node --enable-source-maps \\"src/main file.js\\""}}',
      },
      'node',
      'notes1',
      ['node', '--enable-source-maps', 'src/main file.js'],
    ],
    [
      'Node that is started by a tool',
      { 'package.json': '{"name":"shop2","scripts":{"start":"next start"}}', 'node_modules/.bin/next': '' },
      'node',
      'shop2-1',
      ['node_modules/.bin/next', 'start'],
    ],
    [
      'Node that is started by a shell',
      { 'package.json': '{"scripts":{"start":"A=1 node x && y"}}' },
      'node',
      'site1',
      ['npm', 'start'],
    ],
    [
      'Node without a script',
      { 'package.json': '{"main":"lib/app.js"}', 'lib/app.js': '' },
      'node',
      'site1',
      ['node', 'lib/app.js'],
    ],
    ['Node without a package', { 'server.js': '' }, 'node', 'site1', ['node', 'server.js']],
    [
      'a package of something else',
      { 'package.json': '{' },
      'other',
      'site1',
      ['./start', '--port', '{port}'],
    ],
    ['nothing at all', {}, 'other', 'site1', ['./start', '--port', '{port}']],
  ])('for %s', async (_, files, kind, first, command) => {
    const project = projectAt(application(files))
    expect(await initProject(project, PATH)).toMatchObject({
      recognised: kind,
      url: 'http://127.0.0.1:8080/',
    })
    const config = await readConfig(project)
    expect(config.instances.map(({ name }) => name)).toEqual(
      [1, 2, 3].map((n) => first.replace(/1$/, String(n))),
    )
    expect(config.instances[0]).toMatchObject({ command, directory: project.directory })
    expect(config.pool.name).toBe(first.replace(/1$/, '{n}'))
    const text = await readConfigText(project)
    expect(text.split('\n').filter((line) => line.length > 120)).toEqual([])
  })

  it.each([
    ['My App (2)', 'my-app-2-1'],
    ['日本', 'app1'],
    ['42', 'app1'],
  ])('in a directory that is called %j, with instances that can be called so', async (name, first) => {
    const { instances } = await initProject(projectAt(application({}, name)), PATH)
    expect(instances[0]).toBe(first)
  })

  it('says what is left to do, and which commands come next', async () => {
    const { stdout, stderr } = await runMux(['init'], { cwd: application(DJANGO), env: { PATH } })
    expect(stdout).toMatch(
      /^Found a Django project \(mysite\.settings, without gunicorn\)\.\nWrote .*mux\.yaml with/,
    )
    expect(stderr).toMatch(/DATABASE_NAME[^]*mux user add[^]*mux up/)
  })

  it('but never over one that is there: 4, and it is as it was', async () => {
    const cwd = application({ 'mux.yaml': '# mine\n' })
    expect(await runMux(['init'], { cwd })).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('[project_exists]'),
    })
    expect(readFileSync(join(cwd, 'mux.yaml'), 'utf8')).toBe('# mine\n')
  })

  it('and not where there is no directory: 3', async () => {
    expect(await runMux(['init', '--project', 'nowhere'], { cwd: temporaryDirectory() })).toMatchObject({
      code: 3,
    })
  })
})
