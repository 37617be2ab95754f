import { expect, it } from 'vitest'
import { readTicks } from './processor-time.ts'

it('the ticks of a process are read, whatever its name is', () => {
  const rest = 'S 1 42 42 0 -1 4194560 2411 0 3 0 1500 250 7 8 20 0 11 0'
  expect(readTicks(`42 (node) ${rest}`)).toBe(1750)
  expect(readTicks(`42 (mux: a) b 9) ${rest}`)).toBe(1750)
})
