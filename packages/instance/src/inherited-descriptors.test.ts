import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { temporaryDirectory } from './fixtures/laboratory.ts'
import { hasProc } from './proc.ts'

it.skipIf(!hasProc)('what was left open is closed, but for the certificates that Node may be reading', () => {
  const directory = temporaryDirectory()
  const [certificates, other] = ['extra.pem', 'other'].map((name) => join(directory, name)) as [
    string,
    string,
  ]
  for (const path of [certificates, other]) writeFileSync(path, '')
  const program = `
    import { readdirSync, readlinkSync } from 'node:fs'
    import { closeInheritedDescriptors } from ${JSON.stringify(new URL('inherited-descriptors.ts', import.meta.url).href)}
    closeInheritedDescriptors()
    for (const n of ['40', '41']) console.log(n, readdirSync('/proc/self/fd').includes(n) && readlinkSync('/proc/self/fd/' + n))`
  // Node itself sees to the low numbers.
  const stdio: ('ignore' | 'pipe' | number)[] = [
    'ignore',
    'pipe',
    'pipe',
    ...Array<'ignore'>(37).fill('ignore'),
  ]
  const opened = [openSync(certificates, 'r'), openSync(other, 'r')]
  onTestFinished(() => opened.forEach((descriptor) => closeSync(descriptor)))
  stdio.push(...opened)
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    stdio,
    env: { NODE_EXTRA_CA_CERTS: certificates },
    encoding: 'utf8',
  })
  expect(stdout, stderr).toBe(`40 ${certificates}\n41 false\n`)
})
