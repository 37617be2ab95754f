import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openEdgeState } from './edge-state.ts'
import { createFailureCounter, type LocalFailureCounter } from './failures.ts'

let clock: number
let counter: LocalFailureCounter
beforeEach(() => {
  clock = 1_795_000_000_000
  counter = createFailureCounter({ now: () => clock })
})

function fail(times: number, user: string, address: string): void {
  for (let time = 0; time < times; time += 1) counter.failed(user, address)
}

describe('failed attempts to sign in', () => {
  it('are nobody’s at first', () => {
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
  })

  it('make one address wait for one user after ten of them, until a minute after the first', () => {
    fail(9, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
    clock += 20_500
    fail(1, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBe(40)
    clock += 39_499
    expect(counter.check('brian', '192.0.2.1')).toBe(1)
    clock += 1
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
    fail(1, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
  })

  it('do not keep that user out at another address, nor another user at that one', () => {
    fail(10, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.2')).toBeUndefined()
    expect(counter.check('graham', '192.0.2.1')).toBeUndefined()
  })

  it('are forgiven by a right password from the same address, for that user only', () => {
    fail(9, 'brian', '192.0.2.1')
    fail(10, 'graham', '192.0.2.1')
    counter.succeeded('brian', '192.0.2.1')
    fail(9, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
    expect(counter.check('graham', '192.0.2.1')).toBeDefined()
  })

  it('are not forgiven by a right password from elsewhere', () => {
    fail(10, 'brian', '192.0.2.1')
    counter.succeeded('brian', '192.0.2.2')
    expect(counter.check('brian', '192.0.2.1')).toBeDefined()
  })

  it('make an address wait for all users after a hundred, however many users were tried', () => {
    for (let user = 0; user < 100; user += 1) counter.failed(`user${user}`, '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBe(60)
    expect(counter.check('brian', '192.0.2.2')).toBeUndefined()
  })

  it('cannot be wiped out by one who signs in with an account of their own in between', () => {
    for (let user = 0; user < 100; user += 1) {
      counter.failed(`user${user}`, '192.0.2.1')
      counter.succeeded('mallory', '192.0.2.1')
    }
    expect(counter.check('brian', '192.0.2.1')).toBe(60)
  })

  it('from many addresses for one user stop all of these, and leave a fresh one to the user', () => {
    for (let host = 1; host <= 50; host += 1) counter.failed('brian', `198.51.100.${host}`)
    for (let host = 1; host <= 50; host += 1) {
      expect(counter.check('brian', `198.51.100.${host}`)).toBe(60)
    }
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
  })

  it.each([
    ['all addresses of one IPv6 customer', (n: number) => `2001:db8:1:2::${n.toString(16)}`],
    ['two spellings of one IPv4 address', (n: number) => (n % 2 === 0 ? '192.0.2.1' : '::ffff:192.0.2.1')],
  ])('are counted together from %s', async (_what, address) => {
    for (let n = 0; n < 10; n += 1) counter.failed('brian', address(n))
    expect(counter.check('brian', address(77))).toBe(60)
  })
})

describe('a clock that is put right', () => {
  it('keeps nobody waiting for as long as it was wrong', () => {
    clock += 400 * 86_400_000
    fail(9, 'brian', '192.0.2.1')
    clock -= 400 * 86_400_000
    fail(9, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBeUndefined()
    fail(1, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBe(60)
  })
})

describe('counts of failures', () => {
  it('outlive the process that counted', () => {
    const directory = mkdtempSync(join(tmpdir(), 'mux-edge-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const start = () => {
      const state = openEdgeState(join(directory, 'edge.sqlite'), () => {})
      onTestFinished(() => state.close())
      return createFailureCounter({ store: state.failures, now: () => clock })
    }
    counter = start()
    fail(10, 'brian', '192.0.2.1')
    fail(9, 'graham', '192.0.2.1')
    counter.succeeded('graham', '192.0.2.1')
    clock += 10_000
    counter = start()
    expect(counter.check('brian', '192.0.2.1')).toBe(50)
    fail(9, 'graham', '192.0.2.1')
    expect(counter.check('graham', '192.0.2.1')).toBeUndefined()
    clock += 50_000
    expect(start().check('brian', '192.0.2.1')).toBeUndefined()
  })

  it('fill no disk: those of the last minute stay, and no more than sixty thousand', () => {
    const state = openEdgeState(':memory:', () => {})
    onTestFinished(() => state.close())
    counter = createFailureCounter({ store: state.failures, now: () => clock })
    for (let i = 0; i < 500; i += 1) counter.failed(`user${i}`, `192.0.2.${i % 250}`)
    clock += 60_001
    for (let i = 0; i < 500; i += 1) counter.failed(`other${i}`, `198.51.100.${i % 250}`)
    const kept = [...state.failures.load(clock)]
    expect(kept).toHaveLength(500 + 250 + 500)
    expect(kept.every(([, key]) => !key.startsWith('user') && !key.startsWith('192.0.2.'))).toBe(true)
  })

  it('that cannot be written count all the same, and the log says so once', () => {
    const log: object[] = []
    const state = openEdgeState(':memory:', (event) => log.push(event))
    counter = createFailureCounter({ store: state.failures, now: () => clock })
    state.close()
    fail(10, 'brian', '192.0.2.1')
    expect(counter.check('brian', '192.0.2.1')).toBe(60)
    expect(log).toMatchObject([{ event: 'failures_not_kept' }])
  })
})
