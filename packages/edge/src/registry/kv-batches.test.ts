import { expect, it } from 'vitest'
import { inBatches } from './kv-batches.ts'

it.each([
  ['nothing', [], { items: 2, size: 100 }, []],
  ['as many as one takes', ['a', 'b'], { items: 2, size: 100 }, [['a', 'b']]],
  ['one more', ['a', 'b', 'c'], { items: 2, size: 100 }, [['a', 'b'], ['c']]],
  [
    'more characters than one takes',
    ['aaaa', 'bbbb', 'c'],
    { items: 9, size: 12 },
    [['aaaa'], ['bbbb', 'c']],
  ],
  [
    'an item that is too large for any',
    ['a', 'b'.repeat(50), 'c'],
    { items: 9, size: 12 },
    [['a'], ['b'.repeat(50)], ['c']],
  ],
])('a list is cut into batches: %s', (_what, items, limits, batches) => {
  expect(inBatches(items, limits)).toEqual(batches)
})
