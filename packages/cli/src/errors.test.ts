import { ControlError, RecordError } from '@mux/contract'
import { CloudflareError, RegistryError } from '@mux/edge/registry'
import { describe, expect, it } from 'vitest'
import { CliError, toCliError } from './errors.ts'

describe('whatever was thrown becomes a code, a sentence and an exit code', () => {
  it.each([
    [new CliError('user_not_found', 'No.', 'Hint.'), 'user_not_found', 3],
    [new ControlError('instance_not_found', 'No.'), 'instance_not_found', 3],
    [new ControlError('instance_failed', 'No.', { log: ['a'] }), 'instance_failed', 1],
    [new ControlError('pool_full', 'No.'), 'pool_full', 4],
    [new RecordError('user:a', 'it is not JSON'), 'record_invalid', 1],
    [new RegistryError('registry_newer', 'No.'), 'registry_newer', 1],
    [new CloudflareError('cloudflare_unreachable', 'No.'), 'cloudflare_unreachable', 5],
    [new CloudflareError('cloudflare_failed', 'No.'), 'cloudflare_failed', 5],
    [new CloudflareError('cloudflare_garbled', 'No.'), 'cloudflare_garbled', 5],
    [
      Object.assign(new Error("EACCES: permission denied, open '/x'"), { code: 'EACCES' }),
      'not_permitted',
      6,
    ],
    [Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }), 'disk_full', 1],
    [
      Object.assign(new Error('EISDIR: illegal operation on a directory'), {
        code: 'EISDIR',
        path: '/srv/a/.mux/run/host.json',
      }),
      'state_refused',
      6,
    ],
    [Object.assign(new Error('x'), { name: 'ExitPromptError' }), 'interrupted', 130],
    [new TypeError('undefined is not a function'), 'internal', 1],
    ['a text', 'internal', 1],
    [undefined, 'internal', 1],
  ])('%s', (thrown, code, exitCode) => {
    const error = toCliError(thrown)
    expect({ code: error.code, exitCode: error.exitCode }).toEqual({ code, exitCode })
    expect(error.message).toMatch(/^[^\n]*[.!?]$/)
  })

  it('keeps the end of the log and the hint of the supervisor', () => {
    const error = toCliError(new ControlError('instance_failed', 'No.', { hint: 'See.', log: ['a', 'b'] }))
    expect(error).toMatchObject({ hint: 'See.', details: ['a', 'b'] })
  })
})
