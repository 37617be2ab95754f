import { describe, expect, it } from 'vitest'
import { BoundedMap } from './bounded-map.ts'

describe('a bounded map', () => {
  it('forgets the entry that was used longest ago when it is full', () => {
    const map = new BoundedMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    expect(map.get('a')).toBe(1)
    map.set('c', 3)
    expect(map.get('b')).toBeUndefined()
    expect(map.get('a')).toBe(1)
    expect(map.get('c')).toBe(3)
    expect(map.size).toBe(2)
  })

  it('replaces an entry without forgetting another', () => {
    const map = new BoundedMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.set('a', 3)
    expect([map.get('a'), map.get('b')]).toEqual([3, 2])
  })

  it('deletes one entry, or all', () => {
    const map = new BoundedMap<string, number>(3)
    for (const key of ['a', 'b', 'c']) map.set(key, 1)
    map.delete('a')
    map.delete('z')
    expect(map.size).toBe(2)
    map.clear()
    expect(map.size).toBe(0)
    expect(map.get('b')).toBeUndefined()
  })

  it('never grows beyond its capacity', () => {
    const map = new BoundedMap<number, number>(100)
    for (let key = 0; key < 10_000; key += 1) map.set(key, key)
    expect(map.size).toBe(100)
    expect(map.get(9_900)).toBe(9_900)
    expect(map.get(9_899)).toBeUndefined()
  })
})
