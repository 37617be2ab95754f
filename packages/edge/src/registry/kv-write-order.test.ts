import type { InstanceName, Records } from '@mux/contract'
import { expect, it } from 'vitest'
import { RECORDS, USER } from './fixtures/registry-suite.ts'
import { inWriteOrder } from './kv-write-order.ts'
import type { RegistryChange } from './registry.ts'

const user = (name: string, record: Partial<Records['user']> | null): RegistryChange => ({
  kind: 'user',
  name,
  record: record && { ...USER, ...record },
})
const instance = (name: string, record: Records['instance'] | null): RegistryChange => ({
  kind: 'instance',
  name,
  record,
})
const route = (name: string, record: Records['route'] | null): RegistryChange => ({
  kind: 'route',
  name,
  record,
})
const host = (name: string, record: Records['host'] | null): RegistryChange => ({
  kind: 'host',
  name,
  record,
})
const token = (name: string, record: Records['token'] | null): RegistryChange => ({
  kind: 'token',
  name,
  record,
})
const fresh = 'fresh' as InstanceName

it('what takes access away goes first, and nothing leads to an instance that is not there', () => {
  const order = inWriteOrder([
    instance('gone', null),
    token('made', RECORDS.token),
    user('added', { instance: fresh }),
    route('app.example.com', { ...RECORDS.route, instance: fresh }),
    instance('fresh', RECORDS.instance),
    host('empty', null),
    host('new', RECORDS.host),
    user('changed', {}),
    user('unmapped', { instance: null, target: null }),
    user('disabled', { instance: fresh, disabled: true }),
    route('*', RECORDS.route),
    user('removed', null),
    token('revoked', null),
    route('old.example.com', null),
  ])
  expect(order.map((step) => step.map(({ name }) => name))).toEqual([
    ['removed', 'revoked', 'old.example.com'],
    ['new', 'changed', 'unmapped', 'disabled', '*'],
    ['fresh'],
    ['added', 'app.example.com'],
    ['made'],
    ['gone', 'empty'],
  ])
})

it('a step is all of one sort: either records to write, or records to remove', () => {
  const order = inWriteOrder([
    user('a', null),
    user('b', {}),
    instance('c', null),
    instance('d', RECORDS.instance),
  ])
  for (const step of order) expect(new Set(step.map(({ record }) => record === null)).size).toBe(1)
  expect(order.flat()).toHaveLength(4)
})

it('nothing to change is no step', () => {
  expect(inWriteOrder([])).toEqual([])
})
