import { execFileSync, spawnSync } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { ask } from './harness/client.ts'
import { echoYaml } from './harness/echo.ts'
import { muxCommand, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'
import { stateOf } from './harness/state.ts'

const PAGE = join(import.meta.dirname, '../../docs/running.md')
const canDump = spawnSync('sqlite3', ['--version']).status === 0

let project: Project | undefined
afterAll(async () => {
  await project?.run(['down'])
  await project?.remove()
})

/** Runs lines of the page as they stand there. */
function run(cwd: string, lines: string): void {
  const [node, argv] = muxCommand([])
  const mux = `mux() { '${node}' '${argv.join("' '")}' "$@"; }`
  execFileSync('sh', ['-e', '-c', `${mux}\n${lines}`], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What stands between two texts of the page. */
async function block(from: string, to: string): Promise<string> {
  const text = await readFile(PAGE, 'utf8')
  const begin = text.indexOf(from) + from.length
  return text.slice(begin, text.indexOf(to, begin))
}

it('a backup as docs/running.md has it, made while mux runs, brings everything back after a loss of all', async (context) => {
  context.skip(!canDump, 'needs sqlite3')
  project = await Project.create(echoYaml('{ django1: {}, django2: {} }'))
  const running = await Running.up(project)
  await project.addUser('graham', 'django1')
  await project.addUser('brian', 'django2')
  await project.must(['route', 'set', 'notes.example', '--instance', 'django1', '--public'])
  await project.must(['instance', 'set', 'django2', '--secret', 'API_KEY'], { input: 'planted-secret\n' })
  await project.must(['instance', 'stop', 'django1', '--message', 'Back at noon.'])
  const before = await stateOf(project)
  run(project.directory, await block('# a backup, while it runs\n', '```'))

  await project.must(['user', 'remove', 'graham', '--yes'])
  await project.must(['instance', 'set', 'django2', 'COLOUR=red'])
  await running.stop()
  for (const part of ['mux.yaml', '.mux']) await rm(project.path(part), { recursive: true })
  run(project.directory, await block('then `mux up`:\n\n```sh\n', '```'))

  expect(await stateOf(project)).toEqual(before)
  const { url } = (await project.must(['status', '--json'])).json()
  expect((await ask(url, '/', { user: 'brian' })).json()).toMatchObject({ instance: 'django2' })
  expect((await ask(url, '/', { user: 'graham' })).json()).toMatchObject({ detail: 'Back at noon.' })
})
