import { afterAll, beforeAll, describe } from 'vitest'
import { bodies } from './conformance/bodies.ts'
import { headers } from './conformance/headers.ts'
import { restarts } from './conformance/restarts.ts'
import { routing } from './conformance/routing.ts'
import { sessions } from './conformance/sessions.ts'
import { tokens } from './conformance/tokens.ts'
import { upgrades } from './conformance/upgrades.ts'
import { embeddedLayout } from './harness/embedded.ts'
import type { Layout } from './harness/layout.ts'
import { workerLayout } from './harness/worker.ts'

describe.each([
  ['mux up', embeddedLayout],
  ['the Worker in workerd, before a host gateway', workerLayout],
])('%s', (_, start) => {
  let layout: Layout
  beforeAll(async () => {
    layout = await start()
    await layout.addUser('graham', 'django1')
    await layout.addUser('brian', 'django2')
    await layout.addUser('malcolm', 'django3')
  })
  afterAll(() => layout?.close())

  describe('routing', () => routing(() => layout))
  describe('headers', () => headers(() => layout))
  describe('bodies', () => bodies(() => layout))
  describe('sessions', () => sessions(() => layout))
  describe('an API token', () => tokens(() => layout))
  describe('upgrades', () => upgrades(() => layout))
  describe('restarts', () => restarts(() => layout))
})
