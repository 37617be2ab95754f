import { describe, expect, it } from 'vitest'
import { type AssertedRequest, assertionComponents } from './assertion.ts'
import { parseInstanceName, parseUserName } from './names.ts'

const request: AssertedRequest = {
  method: 'GET',
  path: '/a%2Fb',
  query: '?c=d',
  forwardedHost: 'notes.example.com',
  decision: {
    user: parseUserName('brian'),
    instance: parseInstanceName('django2')!,
    version: 7,
    requestId: 'r1',
  },
}
describe('an assertion', () => {
  it('covers method, path, query, host, user, instance, version and request id, in one order', () => {
    expect(assertionComponents(request)).toEqual([
      ['@method', 'GET'],
      ['@path', '/a%2Fb'],
      ['@query', '?c=d'],
      ['x-forwarded-host', 'notes.example.com'],
      ['mux-user', 'brian'],
      ['mux-instance', 'django2'],
      ['mux-version', '7'],
      ['x-request-id', 'r1'],
    ])
  })

  it('leaves the user out when there is none, so that none can be added', () => {
    const anonymous = { ...request, decision: { ...request.decision, user: undefined } }
    expect(assertionComponents(anonymous).map(([name]) => name)).not.toContain('mux-user')
  })
})
