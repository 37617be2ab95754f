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
