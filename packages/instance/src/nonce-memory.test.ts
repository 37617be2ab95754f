import { expect, it } from 'vitest'
import { NonceMemory } from './nonce-memory.ts'

it('a nonce is first once, and again for as long as it could be used', () => {
  const nonces = new NonceMemory()
  expect(nonces.use('a', 90, 0)).toBe('first')
  expect(nonces.use('a', 90, 89)).toBe('again')
  expect(nonces.use('b', 180, 89)).toBe('first')
})

it('what can no longer be used makes room', () => {
  const nonces = new NonceMemory(2)
  expect(nonces.use('a', 90, 0)).toBe('first')
  expect(nonces.use('b', 95, 0)).toBe('first')
  expect(nonces.use('c', 180, 90)).toBe('first')
  expect(nonces.use('b', 95, 90)).toBe('again')
})

it('without room nothing is accepted, so that nothing is accepted twice', () => {
  const nonces = new NonceMemory(1)
  expect(nonces.use('a', 90, 0)).toBe('first')
  expect(nonces.use('b', 90, 0)).toBe('full')
  expect(nonces.use('b', 90, 0)).toBe('full')
})
