import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseUserName, type UserName } from '@mux/contract'
import { expect, onTestFinished, test } from 'vitest'
import { openEdgeState } from './edge-state.ts'
import { createEndedSessions, type EndedSessions } from './ended-sessions.ts'
import type { Session } from './session.ts'

const BRIAN = parseUserName('brian')!
const GRAHAM = parseUserName('graham')!
const clock = { now: 1_795_000_000_000 }
const session = (id: string, user = BRIAN): Session => {
  const issued = clock.now / 1000
  return { user, epoch: 7, id, issued, expires: issued + 60, seen: issued }
}

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mux-edge-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return join(directory, 'edge.sqlite')
}

/** As after a start of mux over the same file. */
function start(file: string): { ended: EndedSessions; signedOut: UserName[]; rows: () => number } {
  const state = openEdgeState(file, () => {})
  onTestFinished(() => state.close())
  const signedOut: UserName[] = []
  const ended = createEndedSessions({
    store: state.endedSessions,
    endOf: ({ expires }) => expires,
    endAll: async (user) => void signedOut.push(user),
    now: () => clock.now,
  })
  return { ended, signedOut, rows: () => state.endedSessions.load(clock.now / 1000).length }
}

test('a session that was ended stays so, also when mux is started again, and no other one is', async () => {
  const file = temporaryFile()
  await start(file).ended.end(session('one'))
  const { ended } = start(file)
  expect(ended.has(session('one'))).toBe(true)
  expect(ended.has(session('two'))).toBe(false)
  expect(ended.has(session('one', GRAHAM))).toBe(false)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('what is over anyway is forgotten', async () => {
  const file = temporaryFile()
  const first = start(file)
  await first.ended.end(session('one'))
  expect(first.rows()).toBe(1)
  clock.now += 61_000
  expect(start(file).rows()).toBe(0)
})

test('who signs in and out a thousand times fills nothing, and is signed out everywhere instead', async () => {
  const { ended, signedOut, rows } = start(':memory:')
  await ended.end(session('of graham', GRAHAM))
  for (let i = 0; i < 1_000; i += 1) await ended.end(session(String(i)))
  expect(signedOut).toEqual([])
  await ended.end(session('one more'))
  expect(signedOut).toEqual([BRIAN])
  expect(rows()).toBe(2)
  expect(ended.has(session('of graham', GRAHAM))).toBe(true)
})
