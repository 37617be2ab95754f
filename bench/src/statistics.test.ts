import { expect, it } from 'vitest'
import { median, spread } from './statistics.ts'

it.each([
  [[3], 3],
  [[1, 100, 2], 2],
  [[1, 2, 3, 100], 2.5],
])('the median of %j is %f', (values, expected) => {
  expect(median(values)).toBe(expected)
})

it('the spread is the whole distance, relative to the median', () => {
  expect(spread([90, 100, 120])).toBeCloseTo(0.3)
  expect(spread([7])).toBe(0)
})
