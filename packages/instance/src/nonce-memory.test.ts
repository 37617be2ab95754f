import { expect, it } from 'vitest'
import { NonceMemory, type SpentNonce } from './nonce-memory.ts'

it('a nonce is first once, and again for as long as it could be used', () => {
  const nonces = new NonceMemory()
  expect(nonces.use('a', 90, 0)).toBe('first')
  expect(nonces.use('a', 90, 89)).toBe('again')
  expect(nonces.use('b', 180, 89)).toBe('first')
})

it('what can no longer be used makes room', () => {
  const nonces = new NonceMemory({ capacity: 2 })
  expect(nonces.use('a', 90, 0)).toBe('first')
  expect(nonces.use('b', 95, 0)).toBe('first')
  expect(nonces.use('c', 180, 90)).toBe('first')
  expect(nonces.use('b', 95, 90)).toBe('again')
})

it('without room nothing is accepted, so that nothing is accepted twice', () => {
  const nonces = new NonceMemory({ capacity: 1 })
  expect(nonces.use('a', 90, 0)).toBe('first')
  expect(nonces.use('b', 90, 0)).toBe('full')
  expect(nonces.use('b', 90, 0)).toBe('full')
})

it('what was used is used for the next process, too, and a keeper that fails stops nobody', () => {
  const kept: SpentNonce[] = []
  const keeper = { spent: () => kept, note: (nonces: readonly SpentNonce[]) => void kept.push(...nonces) }
  const nonces = new NonceMemory({ keeper })
  nonces.use('a', 90, 0)
  nonces.use('b', 95, 5)
  nonces.flush()
  const next = new NonceMemory({ keeper })
  expect(['a', 'b', 'c'].map((nonce) => next.use(nonce, 95, 6))).toEqual(['again', 'again', 'first'])

  const failures: unknown[] = []
  const note = () => {
    throw new Error('the disk is full')
  }
  const lone = new NonceMemory({ keeper: { ...keeper, note }, failed: (error) => failures.push(error) })
  expect(lone.use('d', 95, 6)).toBe('first')
  lone.flush()
  expect(failures).toHaveLength(1)
  expect(lone.use('d', 95, 6)).toBe('again')
})
