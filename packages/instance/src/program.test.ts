import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from './fixtures/laboratory.ts'
import { displayName, findProgram } from './program.ts'
import type { LaunchPlan } from './settings.ts'

function planFor(program: string, directory: string, path?: string): LaunchPlan {
  return { program, arguments: [], directory, environment: path === undefined ? {} : { PATH: path } }
}

function place(directory: string, name: string, mode = 0o755): string {
  const path = join(directory, name)
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, mode)
  return path
}

describe('a program', () => {
  it('is found in PATH, relative to its directory, or where its path says', () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'bin'))
    const app = place(join(directory, 'bin'), 'app')
    expect(findProgram(planFor('app', directory, `/nowhere:${directory}/bin`))).toBe(app)
    expect(findProgram(planFor('app', directory, 'bin'))).toBe(app)
    expect(findProgram(planFor('bin/app', directory))).toBe(app)
    expect(findProgram(planFor(app, '/'))).toBe(app)
    expect(findProgram(planFor('sh', '/'))).toMatch(/bin\/sh$/)
  })

  it.each([
    ['app', 'command: app was not found in PATH.'],
    ['./app', 'command: ./app does not exist.'],
    ['data', 'command: data is in PATH, but is not executable.'],
    ['./data', 'command: ./data is not executable.'],
    ['./', 'command: ./ is not executable.'],
  ])('%s that cannot be run is an error that names the field', (program, message) => {
    const directory = temporaryDirectory()
    place(directory, 'data', 0o644)
    expect(() => findProgram(planFor(program, directory, directory))).toThrow(message)
  })

  it('is not looked for in a directory that does not exist', () => {
    expect(() => findProgram(planFor('sh', '/nowhere/at/all'))).toThrow(
      'directory: /nowhere/at/all is not a directory.',
    )
  })
})

describe('the name in ps', () => {
  it.each([
    ['node', 'mux:django1'],
    ['ruby3.1', 'mux:django1'],
    ['python3', 'as-typed'],
    ['gunicorn', 'as-typed'],
    ['busybox', 'as-typed'],
  ])('of %s is %s', (name, shown) => {
    const directory = temporaryDirectory()
    const link = join(directory, 'link')
    symlinkSync(place(directory, name), link)
    expect(displayName(link, planFor('as-typed', directory), 'django1')).toBe(shown)
  })
})
