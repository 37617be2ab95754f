import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readLog } from './read-log.ts'

let directory: string
let file: string
let stop: AbortController
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mux-log-'))
  file = join(directory, 'a.log')
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await rm(directory, { recursive: true })
})

async function whole(lines: number): Promise<string> {
  let text = ''
  for await (const piece of readLog(file, { lines })) text += piece
  return text
}

describe('the last lines of a log', () => {
  it.each([
    ['a\nb\nc\n', 2, 'b\nc\n'],
    ['a\nb\nc', 2, 'b\nc'],
    ['a\nb\nc\n', 0, ''],
    ['a\nb\nc\n', 9, 'a\nb\nc\n'],
    ['\n\n\n', 2, '\n\n'],
    ['', 5, ''],
    ['one', 1, 'one'],
  ])('of %j, %i of them, are %j', async (text, lines, expected) => {
    await writeFile(file, text)
    expect(await whole(lines)).toBe(expected)
  })

  it('are found in a log of many megabytes, with characters cut anywhere', async () => {
    const line = `${'ä日🙂'.repeat(5_000)}\n`
    await writeFile(file, line.repeat(300))
    expect(await whole(3)).toBe(line.repeat(3))
  })

  it('of no log at all are nothing', async () => {
    expect(await whole(10)).toBe('')
  })
})

describe('a followed log', () => {
  const BOUND = { timeout: 5_000, interval: 20 }
  let seen = ''
  let ended: Promise<void>
  beforeEach(() => {
    seen = ''
    ended = follow(10)
  })
  afterEach(async () => {
    stop.abort()
    await ended
  })

  async function follow(lines: number): Promise<void> {
    for await (const piece of readLog(file, { lines, follow: stop.signal })) seen += piece
  }

  it('may come to be later, and shows what is appended, also half a line', async () => {
    await writeFile(file, 'a\n')
    await expect.poll(() => seen, BOUND).toBe('a\n')
    await appendFile(file, 'half')
    await expect.poll(() => seen, BOUND).toBe('a\nhalf')
    await appendFile(file, ' a line\n')
    await expect.poll(() => seen, BOUND).toBe('a\nhalf a line\n')
  })

  it('that is cut to nothing goes on from its new beginning', async () => {
    await writeFile(file, 'first, which is long\n')
    await expect.poll(() => seen, BOUND).toBe('first, which is long\n')
    await truncate(file)
    await appendFile(file, 'second\n')
    await expect.poll(() => seen, BOUND).toBe('first, which is long\nsecond\n')
  })

  it('that is rotated away is read to its end, and then the new one', async () => {
    await writeFile(file, 'a\n')
    await expect.poll(() => seen, BOUND).toBe('a\n')
    await appendFile(file, 'b\n')
    await rename(file, `${file}.1`)
    await appendFile(`${file}.1`, 'c\n')
    await writeFile(file, 'd\n')
    await expect.poll(() => seen, BOUND).toBe('a\nb\nc\nd\n')
  })

  it('ends at once when it is no longer wanted', async () => {
    const began = performance.now()
    stop.abort()
    await ended
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})
