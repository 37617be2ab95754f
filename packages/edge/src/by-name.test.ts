import { expect, test } from 'vitest'
import { rememberByName } from './by-name.ts'

test('a name is judged once, and so is not what another name is', () => {
  const judged: string[] = []
  const judge = rememberByName((name) => {
    judged.push(name)
    return name.toLowerCase()
  })
  expect(['Host', 'host', 'Host', 'constructor', '__proto__'].map(judge)).toEqual([
    'host',
    'host',
    'host',
    'constructor',
    '__proto__',
  ])
  expect(judged).toEqual(['Host', 'host', 'constructor', '__proto__'])
})

test('however many names come, each is judged rightly and few are kept', () => {
  let judged = 0
  const judge = rememberByName((name) => {
    judged++
    return name
  })
  const names = Array.from({ length: 5_000 }, (_, i) => `X-${i}`)
  expect(names.map(judge)).toEqual(names)
  names.forEach(judge)
  expect(judged).toBe(10_000)
})

test('what is very long is judged rightly, and not kept', () => {
  let judged = 0
  const judge = rememberByName((name) => {
    judged++
    return name.length
  })
  for (const length of [256, 256, 257, 257]) expect(judge('x'.repeat(length))).toBe(length)
  expect(judged).toBe(3)
})
