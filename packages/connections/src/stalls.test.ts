import { expect, it } from 'vitest'
import { Stalls, type Written } from './stalls.ts'

const PATIENCE = 60

/** What a connection looked like at each of some looks, and at which of them it was called stalled. */
it.each<[string, [now: number, bytesWritten: number, writableLength: number][], number[]]>([
  [
    'takes nothing is named after the patience',
    [
      [0, 9, 5],
      [59, 9, 5],
      [60, 9, 5],
    ],
    [60],
  ],
  [
    'takes nothing is named although more is written to it',
    [
      [0, 9, 5],
      [30, 12, 8],
      [60, 99, 95],
    ],
    [60],
  ],
  [
    'takes one byte begins anew',
    [
      [0, 9, 5],
      [30, 9, 4],
      [60, 9, 4],
      [89, 9, 4],
      [90, 9, 4],
    ],
    [90],
  ],
  [
    'has taken all meanwhile begins anew',
    [
      [0, 9, 5],
      [30, 9, 0],
      [60, 14, 5],
      [119, 14, 5],
      [120, 14, 5],
    ],
    [120],
  ],
  [
    'has nothing to take is never named',
    [
      [0, 9, 0],
      [60, 9, 0],
      [600, 9, 0],
    ],
    [],
  ],
])('a connection that %s', (_, looks, expected) => {
  const connection: { -readonly [Key in keyof Written]: Written[Key] } = {
    bytesWritten: 0,
    writableLength: 0,
  }
  const stalls = new Stalls(PATIENCE)
  const named = looks.filter(([now, bytesWritten, writableLength]) => {
    Object.assign(connection, { bytesWritten, writableLength })
    return stalls.among([connection], now).includes(connection)
  })
  expect(named.map(([now]) => now)).toEqual(expected)
})
