import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { runStep, type Step } from './step.ts'

const sh = (script: string, more: Partial<Step> = {}): Step => ({
  title: 'sample',
  command: ['/bin/sh', '-c', script],
  directory: import.meta.dirname,
  limit: 100,
  ...more,
})
const nothing = { passed: 0, failed: 0, failures: [], skipped: [] }

it('a step that ends well has its output and no failure', async () => {
  expect(await runStep(sh('echo out; echo err >&2'))).toMatchObject({
    ok: true,
    tally: nothing,
    output: 'out\nerr\n',
  })
})

it('a step that fails without a failed test is one failure, and says how it ended', async () => {
  const outcome = await runStep(sh('echo out; exit 3'))
  expect(outcome).toMatchObject({
    ok: false,
    tally: { ...nothing, failed: 1 },
    output: 'out\n\nexit code 3\n',
  })
})

it('failed tests fail a step, also where the program forgot to', async () => {
  const outcome = await runStep(
    sh('true', { tally: () => ({ passed: 5, failed: 2, failures: [], skipped: [] }) }),
  )
  expect(outcome).toMatchObject({ ok: false, tally: { passed: 5, failed: 2 } })
})

it('a run of tests that ran none is a failure', async () => {
  for (const tally of [() => undefined, () => nothing]) {
    const outcome = await runStep(sh('true', { tally }))
    expect(outcome).toMatchObject({ ok: false, tally: { failed: 1 } })
    expect(outcome.output).toContain('it ran no test')
  }
})

it('a program that does not exist is a failed step', async () => {
  const outcome = await runStep(sh('', { command: ['/nowhere/at-all'] }))
  expect(outcome).toMatchObject({ ok: false, tally: { failed: 1 } })
  expect(outcome.output).toContain('ENOENT')
})

it('a step that takes too long is ended with what it started', async () => {
  // By itself, it would end after this test.
  const outcome = await runStep(sh('sleep 600 & echo $!; wait', { limit: 2 }))
  expect(outcome).toMatchObject({ ok: false })
  expect(outcome.output).toMatch(/^\d+\n\nended after 2 s\n$/)
  const pid = String(Number.parseInt(outcome.output, 10))
  // Gone, or dead and not yet collected by its new parent.
  const state = () => spawnSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }).stdout.trim()
  await expect.poll(state).toMatch(/^(?:Z|$)/)
})

it('a process that left the group and holds the pipes does not hold up the checks', async () => {
  // It has left before the step ends, which would end it otherwise; by itself, it would end after this test.
  const hasLeft = `[ "$(ps -o sid= -p $! | tr -d ' ')" = $! ]`
  const outcome = await runStep(sh(`setsid sleep 600 & until ${hasLeft}; do sleep 0.05; done; echo $!`))
  process.kill(Number.parseInt(outcome.output, 10))
  expect(outcome).toMatchObject({ ok: true })
})
