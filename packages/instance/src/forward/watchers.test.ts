import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { Watchers } from './watchers.ts'

it('everybody who still waits is told once, and each source has one listener', () => {
  const told: string[] = []
  const watchers = new Watchers<EventEmitter, string>(
    (source, fire) => source.once('close', fire),
    (watcher) => {
      told.push(watcher)
      // Who is told leaves, which must not make another be passed over.
      watchers.delete(source, watcher)
    },
  )
  const source = new EventEmitter()
  for (const watcher of ['a', 'b', 'c', 'd']) watchers.add(source, watcher)
  watchers.delete(source, 'b')
  watchers.delete(source, 'b')
  watchers.delete(new EventEmitter(), 'a')
  watchers.add(source, 'e')
  expect(source.listenerCount('close')).toBe(1)
  source.emit('close')
  source.emit('close')
  expect(told.sort()).toEqual(['a', 'c', 'd', 'e'])
})
