import { afterAll, beforeAll, describe } from 'vitest'
import type { Layout } from '../harness/layout.ts'
import { bodies } from './bodies.ts'
import { credentials } from './credentials.ts'
import { framing } from './framing.ts'
import { headers } from './headers.ts'
import { hostileInstance } from './hostile-instance.ts'
import { limits } from './limits.ts'
import { restarts } from './restarts.ts'
import { routing } from './routing.ts'
import { sessionAttacks } from './session-attacks.ts'
import { sessions } from './sessions.ts'
import { tokens } from './tokens.ts'
import { upgrades } from './upgrades.ts'
import { websockets } from './websockets.ts'

/** What both ways to run do alike, asked of a URL and of a command line. */
export function conformance(start: () => Promise<Layout>): void {
  let layout: Layout
  beforeAll(async () => {
    layout = await start()
    await layout.addUser('graham', 'django1')
    await layout.addUser('brian', 'django2')
    await layout.addUser('malcolm', 'django3')
    await layout.addUser('terry', 'sockets')
    await layout.addUser('zoot', 'hostile')
    await layout.addUser('dingo', 'hostile')
  })
  afterAll(() => layout?.close())

  describe('routing', () => routing(() => layout))
  describe('headers', () => headers(() => layout))
  describe('framing', () => framing(() => layout))
  describe('bodies', () => bodies(() => layout))
  describe('credentials', () => credentials(() => layout))
  describe('a hostile instance', () => hostileInstance(() => layout))
  describe('limits', () => limits(() => layout))
  describe('sessions', () => sessions(() => layout))
  describe('an attack on sessions', () => sessionAttacks(() => layout))
  describe('an API token', () => tokens(() => layout))
  describe('upgrades', () => upgrades(() => layout))
  describe('websockets', () => websockets(() => layout))
  describe('restarts', () => restarts(() => layout))
}
