import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { temporaryDirectory } from './fixtures/laboratory.ts'
import { RotatingFile } from './rotating-file.ts'

const LIMITS = { soft: 8, hard: 16 }

function fileIn(directory: string) {
  const path = join(directory, 'a.log')
  const failures: string[] = []
  let rotations = 0
  const file = new RotatingFile({
    path,
    marks: join(directory, 'a.times'),
    limits: LIMITS,
    rotated: () => rotations++,
    failed: (code) => failures.push(code),
  })
  onTestFinished(() => file.close())
  const write = (text: string) => file.write(Buffer.from(text))
  const read = (age = '') => readFileSync(path + age, 'utf8')
  return { path, file, failures, rotations: () => rotations, write, read }
}

/** A file system of 64 KiB; undefined where this user may not mount one. */
function smallDisk(): string | undefined {
  const directory = join(temporaryDirectory(), 'disk')
  mkdirSync(directory)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['-l', directory]))
  return directory
}

it('becomes an older one when it is full, five are kept, and each has the times of its own lines', () => {
  const directory = temporaryDirectory()
  const { write, read, rotations, path } = fileIn(directory)
  for (let n = 0; n < 10; n++) write(`line ${n}\nx\n`)
  expect([read(), read('.1'), read('.4')]).toEqual(['', 'line 9\nx\n', 'line 6\nx\n'])
  expect([rotations(), existsSync(`${path}.5`)]).toEqual([10, false])
  expect(readFileSync(join(directory, 'a.times.4'), 'utf8')).toMatch(/^\d{13} 0\n$/)
})

it('goes on where an earlier process stopped, and ends the line that it left', () => {
  const directory = temporaryDirectory()
  const first = fileIn(directory)
  first.write('abc')
  first.file.close()
  const { file, write, read } = fileIn(directory)
  file.endLine()
  file.endLine()
  write('d\n')
  expect(read()).toBe('abc\nd\n')
})

it('is not written through a link that somebody put in its place, and says so', () => {
  const { path, write, failures } = fileIn(temporaryDirectory())
  const elsewhere = join(temporaryDirectory(), 'file')
  symlinkSync(elsewhere, path)
  write('one\n')
  write('two\n')
  expect(failures).toEqual(['ELOOP'])
  expect(existsSync(elsewhere)).toBe(false)
})

it('on a full disk leaves out what it does not take, says so once, and tells how much when there is room', (context) => {
  const disk = smallDisk()
  context.skip(disk === undefined, 'this user may not mount a small file system')
  const failures: string[] = []
  const path = join(disk!, 'a.log')
  const file = new RotatingFile({ path, failed: (code) => failures.push(code) })
  onTestFinished(() => file.close())
  execFileSync('sh', ['-c', 'head -c 32768 /dev/zero > "$1"/filler', 'sh', disk!])
  for (let n = 0; n < 1_000; n++) file.write(Buffer.from(`${'x'.repeat(99)}\n`))
  expect(failures).toEqual(['ENOSPC'])
  const kept = readFileSync(path, 'utf8').length
  rmSync(join(disk!, 'filler'))
  file.write(Buffer.from('after\n'))
  const text = readFileSync(path, 'utf8')
  const lost = Number(/\n\[mux: (\d+) bytes could not be written here\]\nafter\n$/.exec(text)?.[1])
  expect(kept + lost).toBe(100_000)
})
