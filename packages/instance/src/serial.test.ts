import { expect, it } from 'vitest'
import { Serial } from './serial.ts'

function task(log: string[], name: string) {
  const done = Promise.withResolvers<void>()
  const run = async () => {
    log.push(`${name} begins`)
    await done.promise
    log.push(`${name} ends`)
  }
  return { run, end: done.resolve, fail: done.reject }
}

it('a task begins at once when there is nothing else to do, and else after the one before it', async () => {
  const serial = new Serial()
  const log: string[] = []
  const [a, b] = [task(log, 'a'), task(log, 'b')]
  const both = [serial.run(a.run), serial.run(b.run)]
  expect(log).toEqual(['a begins'])
  expect(serial.busy).toBe(true)
  b.end()
  a.end()
  await Promise.all(both)
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
  await expect.poll(() => serial.busy).toBe(false)
})

it('a task that fails tells the one who gave it, and stops no other', async () => {
  const serial = new Serial()
  const log: string[] = []
  const [a, b] = [task(log, 'a'), task(log, 'b')]
  const failing = serial.run(a.run)
  const next = serial.run(b.run)
  a.fail(new Error('no'))
  b.end()
  await expect(failing).rejects.toThrow('no')
  await next
  expect(log).toEqual(['a begins', 'b begins', 'b ends'])
})
