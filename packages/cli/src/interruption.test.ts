import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openSqliteRegistry } from '@mux/edge/registry'
import { expect, it, onTestFinished } from 'vitest'
import { PROGRAM, runMux, temporaryProject } from './fixtures/run-mux.ts'

const PROJECT = 'app: { command: node server.js }\ninstances:\n  one: {}\n'

it(
  'Ctrl-C at any moment leaves all of a command or none of it, and no lock',
  { timeout: 120_000 },
  async () => {
    const cwd = temporaryProject(PROJECT)
    const began = performance.now()
    await runMux(['user', 'add', 'first', '--generate'], { cwd })
    const whole = performance.now() - began
    const registry = openSqliteRegistry(join(cwd, '.mux/registry.sqlite'))
    onTestFinished(() => registry.close())
    const outcomes = new Set<string>()
    for (let i = 0; i < 12; i += 1) {
      const child = spawn(
        process.execPath,
        [PROGRAM, 'user', 'add', `u${i}`, '--instance', `i${i}`, '--create', '--generate'],
        { cwd },
      )
      const closed = once(child, 'close')
      // The later moments are the ones in which something is written.
      await delay(whole * (0.3 + 0.7 * (i / 12)))
      child.kill('SIGINT')
      const [code, signal] = (await closed) as [number | null, string | null]
      outcomes.add(String(code ?? signal))
      const yaml = readFileSync(join(cwd, 'mux.yaml'), 'utf8')
      const { code: shown } = await runMux(['user', 'show', `u${i}`], { cwd })
      expect([i, yaml.includes(`  i${i}: {}\n`)]).toEqual([i, shown === 0])
    }
    expect([...outcomes].filter((outcome) => !['0', '130', 'SIGINT'].includes(outcome))).toEqual([])
    expect(await runMux(['user', 'add', 'last', '--generate'], { cwd })).toMatchObject({ code: 0 })
  },
)
