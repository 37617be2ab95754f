import { expect } from 'vitest'
import type { Outcome } from './project.ts'

const STACK = /^\s+at .+:\d+:\d+\)?$/m

/**
 * One clear error for people: a sentence and its code on standard error, no stack, nothing on standard output. What
 * `mux up` tells of itself meanwhile, a line with its time each, is not part of it.
 */
export function expectError(outcome: Outcome, exit: number, code: string): void {
  const error = outcome.stderr.replace(/^time=.*\n/gm, '')
  expect(error).toMatch(/^error: \S/)
  expect(error).toContain(`[${code}]`)
  expect(error.match(/^error: /gm)).toHaveLength(1)
  expect(outcome.stdout).toBe('')
  expect(outcome.code).toBe(exit)
  expectNoStack(outcome)
}

/** The same for a program: one document on standard output, nothing on standard error. */
export function expectJsonError(outcome: Outcome, exit: number, code: string): void {
  expect(outcome.json()).toEqual({
    error: {
      code,
      message: expect.stringMatching(/^\S.*[.!?]$/),
      hint: outcome.json().error.hint === null ? null : expect.stringMatching(/\S/),
      details: expect.any(Array),
    },
  })
  expect(outcome.stderr).toBe('')
  expect(outcome.code).toBe(exit)
}

export function expectNoStack({ stdout, stderr }: Outcome): void {
  expect(stdout + stderr).not.toMatch(STACK)
  expect(stdout + stderr).not.toMatch(/\[object |undefined is not|Cannot read prop|node:internal/)
}

/** Nothing died in silence: what mux says of itself has neither a defect, nor a stack, nor a warning of Node. */
export function expectNoDefect(said: string): void {
  expect(said).not.toMatch(/event=fault|"event":"fault"|\[internal\]|"code": ?"internal"/)
  expect(said).not.toMatch(/\(node:\d+\)|^\s+at .+:\d+:\d+\)?$/m)
  // Whatever came from outside, one line for an event, which is bounded and moves no terminal.
  for (const line of said.match(/^time=.*$/gm) ?? []) expect(line.length).toBeLessThanOrEqual(2_000)
  // oxlint-disable-next-line no-control-regex -- finding them is the point
  expect(said).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e]/)
}

/** None of those that the users of these tests have, as such or as Basic sends it. */
export function expectNoPassword(said: string): void {
  expect(said).not.toMatch(/[a-z0-9]-password\b/)
  for (const [, encoded] of said.matchAll(/Basic ([A-Za-z0-9+/=]+)/gi))
    expect(Buffer.from(encoded!, 'base64').toString()).not.toContain('-password')
}
