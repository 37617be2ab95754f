import { appendFile, mkdtemp, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises'
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

async function whole(lines: number | null, since?: number): Promise<string> {
  let text = ''
  for await (const piece of readLog(file, { lines, since })) text += piece
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

describe('a log of several files', () => {
  beforeEach(async () => {
    await writeFile(`${file}.2`, 'a\nb\n')
    await writeFile(`${file}.1`, 'c\nd\n')
    await writeFile(file, 'e\n')
  })

  it.each([
    [null, 'a\nb\nc\nd\ne\n'],
    [9, 'a\nb\nc\nd\ne\n'],
    [4, 'b\nc\nd\ne\n'],
    [3, 'c\nd\ne\n'],
    [2, 'd\ne\n'],
    [1, 'e\n'],
    [0, ''],
  ])('is one text, of which %o lines are the last', async (lines, expected) => {
    expect(await whole(lines)).toBe(expected)
  })

  it.each([
    [999, 'a\nb\nc\nd\ne\n'],
    [8_000, 'b\nc\nd\ne\n'],
    [8_999, 'b\nc\nd\ne\n'],
    [9_950, 'c\nd\ne\n'],
    [20_000, 'c\nd\ne\n'],
    [21_000, 'd\ne\n'],
    [30_500, 'e\n'],
  ])(
    'since %i ms begins where its marks say, never later and at most a second earlier',
    async (since, expected) => {
      const times = join(directory, 'a.times')
      await writeFile(`${times}.2`, '1000 0\n8000 2\n')
      await writeFile(`${times}.1`, '20000 0\n21500 2\n')
      await writeFile(times, '30000 0\n')
      await utimes(`${file}.2`, 8.9, 8.9)
      await utimes(`${file}.1`, 22, 22)
      await utimes(file, 30.9, 30.9)
      expect(await whole(null, since)).toBe(expected)
      expect(await whole(1, since)).toBe('e\n')
    },
  )

  it('without marks leaves out the files that are older, and nothing else', async () => {
    await utimes(`${file}.2`, 10, 10)
    await utimes(`${file}.1`, 20, 20)
    await utimes(file, 30, 30)
    expect(await whole(null, 15_000)).toBe('c\nd\ne\n')
    expect(await whole(null, 40_000)).toBe('')
  })
})

describe('a followed log', () => {
  const OFTEN = { interval: 20 }
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
    await expect.poll(() => seen, OFTEN).toBe('a\n')
    await appendFile(file, 'half')
    await expect.poll(() => seen, OFTEN).toBe('a\nhalf')
    await appendFile(file, ' a line\n')
    await expect.poll(() => seen, OFTEN).toBe('a\nhalf a line\n')
  })

  it('that is cut to nothing goes on from its new beginning', async () => {
    await writeFile(file, 'first, which is long\n')
    await expect.poll(() => seen, OFTEN).toBe('first, which is long\n')
    await truncate(file)
    await appendFile(file, 'second\n')
    await expect.poll(() => seen, OFTEN).toBe('first, which is long\nsecond\n')
  })

  it('that is rotated away is read to its end, and then the new one', async () => {
    await writeFile(file, 'a\n')
    await expect.poll(() => seen, OFTEN).toBe('a\n')
    await appendFile(file, 'b\n')
    await rename(file, `${file}.1`)
    await appendFile(`${file}.1`, 'c\n')
    await writeFile(file, 'd\n')
    await expect.poll(() => seen, OFTEN).toBe('a\nb\nc\nd\n')
  })

  it('that was rotated several times since it was looked at comes whole, in order and once', async () => {
    await writeFile(file, 'a\n')
    await expect.poll(() => seen, OFTEN).toBe('a\n')
    await appendFile(file, 'b\n')
    await rename(file, `${file}.3`)
    await writeFile(`${file}.2`, 'c\n')
    await writeFile(`${file}.1`, 'd\n')
    await writeFile(file, 'e\n')
    await expect.poll(() => seen, OFTEN).toBe('a\nb\nc\nd\ne\n')
  })

  it('that somebody moved is followed to where it goes on, also when it is written to a while longer', async () => {
    await writeFile(file, 'a\n')
    await expect.poll(() => seen, OFTEN).toBe('a\n')
    await rename(file, `${file}.moved`)
    await appendFile(`${file}.moved`, 'b\n')
    await expect.poll(() => seen, OFTEN).toBe('a\nb\n')
    await appendFile(`${file}.moved`, 'c\n')
    await writeFile(file, 'd\n')
    await expect.poll(() => seen, OFTEN).toBe('a\nb\nc\nd\n')
  })

  it('ends at once when it is no longer wanted', async () => {
    const began = performance.now()
    stop.abort()
    await ended
    expect(performance.now() - began).toBeLessThan(10_000)
  })
})
