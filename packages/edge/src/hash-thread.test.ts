import { Buffer } from 'node:buffer'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { basic, startEdge } from './fixtures/edge-under-test.ts'
import { HashThread, type HashThreadOptions } from './hash-thread.ts'

const PASSWORD = 'correct horse battery'
const APR1 = '$apr1$sa./9Zlt$T1lHcGqgTj6Uf5b7CkuLJ1'
const BCRYPT_13 = '$2b$13$7Zujy.VagmX98LUPeqZOneHK5hlqe.KIEF60fc1/gEvFFfNw3yOTq'

function startThread(options?: HashThreadOptions) {
  const thread = new HashThread(options)
  onTestFinished(() => thread.close())
  return { thread, compare: (stored: string) => thread.compare(stored, Buffer.from(PASSWORD)) }
}

/** A program that does as it is told in place of a hash. */
function program(source: string): URL {
  return new URL(
    `data:text/javascript,import { parentPort as port } from 'node:worker_threads'; let asked = 0;
    port.on('message', ({ stored }) => { asked += 1; ${source} })`,
  )
}

test('a sign-in by a hash from elsewhere takes next to nothing of the thread that serves everybody', async () => {
  const { edge, url, registry } = await startEdge()
  onTestFinished(() => edge.close(0))
  registry.addUser('brian', 'django2', { password: BCRYPT_13 })
  const before = performance.eventLoopUtilization()
  const answer = await fetch(url, { headers: { authorization: basic('brian', PASSWORD) } })
  const { utilization } = performance.eventLoopUtilization(before)
  expect(answer.status).toBe(200)
  // Computed where everybody is served, it would be most of it, on whatever machine.
  expect(utilization).toBeLessThan(1 / 3)
})

test('answers belong to what was asked, however many ask at once', async () => {
  const { compare } = startThread()
  const wrong = APR1.replace(/.$/, '2')
  expect(await Promise.all([BCRYPT_13.replace('$13$', '$05$'), APR1, wrong, APR1].map(compare))).toEqual([
    false,
    true,
    false,
    true,
  ])
})

test.each([
  ['ends', { program: program('process.exit(0)') }],
  ['fails', { program: program('throw new Error(stored)') }],
  ['is not there', { program: new URL('./nobody.js', import.meta.url) }],
  ['says nothing', { program: program(''), limit: 100 }],
])('a thread that %s is an error of those who wait for it', async (_how, options) => {
  const { compare } = startThread(options)
  const outcomes = await Promise.allSettled([compare(APR1), compare(APR1)])
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ reason: { name: 'HashThreadError', code: 'hash_thread_ended' } })
})

test('whoever asks after a thread has ended gets another one', async () => {
  const { compare } = startThread({
    program: program(`if (stored === 'end') process.exit(0); else port.postMessage(asked === 1)`),
  })
  expect([await compare('go on'), await compare('go on')]).toEqual([true, false])
  await expect(compare('end')).rejects.toThrow('has ended')
  expect(await compare('go on')).toBe(true)
})

test('a thread that nobody needs ends', async () => {
  const { compare } = startThread({ program: program('port.postMessage(asked === 1)'), idle: 1 })
  expect([await compare(APR1), await compare(APR1)]).toEqual([true, false])
  await expect.poll(() => compare(APR1)).toBe(true)
})

test('one that is closed ends with what it was asked, and no other starts', async () => {
  const { thread, compare } = startThread({ program: program('') })
  const asked = compare(APR1)
  const [outcome] = await Promise.allSettled([asked, thread.close()])
  expect(outcome).toMatchObject({ reason: { code: 'rate_limited' } })
  await expect(compare(APR1)).rejects.toMatchObject({ code: 'rate_limited' })
})

test('keeps no process from ending', async () => {
  const script = `
    const { HashThread } = await import('${new URL('./hash-thread.ts', import.meta.url).href}')
    const waiting = setInterval(() => {}, 1000)
    const compared = new HashThread().compare('${APR1}', Buffer.from('${PASSWORD}'))
    compared.then(console.log).finally(() => clearInterval(waiting))`
  // By its idleness it would end after a minute.
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 40_000,
  })
  expect(await run).toMatchObject({ stdout: 'true\n' })
})
