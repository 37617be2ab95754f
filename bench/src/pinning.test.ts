import { expect, it } from 'vitest'
import { readProcessors } from './pinning.ts'

it.each([
  ["pid 7's current affinity list: 0,1\n", [0, 1]],
  ["pid 7's current affinity list: 3\n", [3]],
  ["pid 7's current affinity list: 0-2,5,8-9\n", [0, 1, 2, 5, 8, 9]],
  ['taskset: failed to get pid 7: No such process\n', []],
  ['', []],
])('the processors that a process may use are read of %j', (output, processors) => {
  expect(readProcessors(output)).toEqual(processors)
})
