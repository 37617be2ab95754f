import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createProject, type TestProject } from '../fixtures/mux.ts'

let project: TestProject
let temporary: string
beforeEach(async () => {
  project = await createProject(null)
  temporary = await mkdtemp(join(tmpdir(), 'mux-'))
})
afterEach(async () => {
  await project.remove()
  await rm(temporary, { recursive: true })
})

/** Command lines of the processes that work in a directory. */
async function processesIn(directory: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const environments = pids.map((pid) => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''))
  return (await Promise.all(environments)).filter((text) => text.includes(directory))
}

/** Takes the first port that the demo tries; somebody else who has it may give it back at any time. */
async function takeFirstPort(): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve())
    server.listen(8080, '127.0.0.1', resolve)
  })
  return server
}

it('mux demo --check shows each promise kept, on the next port when one is taken, and leaves nothing', async () => {
  const server = await takeFirstPort()
  const isOurs = server.listening
  const demo = project.start({ TMPDIR: temporary }, 'demo', '--check')
  const { code, stdout, stderr } = await demo.ended
  server.close()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    isOurs ? /URL +http:\/\/127\.0\.0\.1:(?!8080)\d+ +\(8080 .*taken\)/ : /URL +http:\/\/127\.0\.0\.1:\d+/,
  )
  for (const [name, instance] of [
    ['graham', 'django1'],
    ['brian', 'django2'],
    ['malcolm', 'django3'],
  ]) {
    expect(stdout).toMatch(new RegExp(`✓ ${name} +${instance} +pid \\d+ .*“A note of ${name}”$`, 'm'))
  }
  expect(stdout).toMatch(/a wrong password +401$/m)
  expect(stdout).toMatch(/graham, with headers that say brian +still graham, by django1$/m)
  expect(stdout).toMatch(/✓ others +[1-9]\d* requests served, 0 failed/)
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
  expect(await readdir(temporary)).toEqual([])
  expect(await processesIn(temporary)).toEqual([])
})

it('mux demo --json is one document of what was shown', async () => {
  const { code, stdout } = await project.mux('demo', '--json')
  expect(code).toBe(0)
  const { steps } = JSON.parse(stdout) as { steps: { step: string }[] }
  expect(steps.map(({ step }) => step)).toEqual([
    ...Array.from({ length: 3 }, () => 'served'),
    ...Array.from({ length: 3 }, () => 'refused'),
    'disguised',
    'restarted',
    'kept',
  ])
  expect(stdout).not.toMatch(/"password"/)
})

it('mux demo that is interrupted half-way leaves nothing', async () => {
  // By itself, in the very moment: on a busy machine it may be through before anybody else has read the line.
  const interrupt = join(project.directory, 'interrupt.cjs')
  await project.write(
    'interrupt.cjs',
    `const { write } = process.stdout
    process.stdout.write = function (text, ...more) {
      if (text.includes('✓ graham')) process.kill(process.pid, 'SIGINT')
      return write.call(this, text, ...more)
    }`,
  )
  const demo = project.start({ TMPDIR: temporary, NODE_OPTIONS: `--require=${interrupt}` }, 'demo')
  const { code, stdout } = await demo.ended
  expect(code).toBe(130)
  expect(stdout).toContain('✓ graham')
  expect(stdout).not.toContain('kept')
  expect(await readdir(temporary)).toEqual([])
  expect(await processesIn(temporary)).toEqual([])
})
