import { afterEach, beforeEach, expect, test } from 'vitest'
import { basic, startEdge, type EdgeUnderTest } from './fixtures/edge-under-test.ts'
import { PASSWORD, PASSWORD_HASH } from './fixtures/memory-registry.ts'
import { hashPassword } from './passwords.ts'

let under: EdgeUnderTest
beforeEach(async () => {
  under = await startEdge()
  under.registry.addUser('brian', 'django2')
})
afterEach(() => under.edge.close(0))

const signIn = async (password: string) =>
  (await fetch(under.url, { headers: { authorization: basic('brian', password) } })).status
const hashOfBrian = async () => (await under.registry.read('user', 'brian'))!.password!

test.each([
  ['weaker than one of today', PASSWORD_HASH, PASSWORD],
  ['from htpasswd', '$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.', 'correct horse battery'],
])(
  'a hash %s is replaced after the first sign-in, and nobody is signed out',
  async (_what, old, password) => {
    under.registry.addUser('brian', 'django2', { password: old })
    expect(await signIn('wrong')).toBe(401)
    expect(await signIn(password)).toBe(200)
    await expect.poll(hashOfBrian).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$/)
    expect(await under.registry.read('user', 'brian')).toMatchObject({ version: 5 })
    expect(await signIn(password)).toBe(200)
    expect(await signIn('wrong')).toBe(401)
    expect(under.log).toEqual([{ event: 'password_rehashed', user: 'brian' }])
  },
)

test('a password that was changed meanwhile stays changed', async () => {
  expect(await signIn(PASSWORD)).toBe(200)
  const changed = await hashPassword('another one')
  under.registry.addUser('brian', 'django2', { password: changed, version: 6 })
  let asked = 0
  const change = under.registry.change.bind(under.registry)
  under.registry.change = async (decide) => {
    const result = await change(decide)
    asked += 1
    return result as never
  }
  await expect.poll(() => asked).toBe(1)
  expect(await hashOfBrian()).toBe(changed)
  expect(under.log).toEqual([])
})
