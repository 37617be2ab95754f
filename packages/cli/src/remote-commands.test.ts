import { describe, expect, it } from 'vitest'
import { refuseUnlessRemote } from './remote-commands.ts'

describe('a host runs for its operator', () => {
  it.each([
    'status',
    'status --json',
    'instance logs django2 -f',
    'instance set django2 A=B',
    'instance import x',
  ])('mux %s', (line) => {
    expect(() => refuseUnlessRemote(line.split(' '))).not.toThrow()
  })
})

describe('a host does not run', () => {
  it.each([
    '',
    'up',
    'up --detach',
    'down',
    'init',
    'deploy',
    'demo',
    'apply',
    'host add web2',
    'key rotate',
    'user add graham',
    'user:add graham',
    'instance:list',
    'token create graham',
    'route set * --instance a',
    'registry push',
    'service install',
    'instance',
    'instance move django2',
    'instance constructor',
    'constructor',
    '__proto__ add',
    '--help',
    'status --project /etc',
    'status --project=/etc',
    'instance list --host web2',
    'instance list --host=web2',
    'instance remove django2 --on web2',
    ' instance list',
    'INSTANCE list',
  ])('mux %s', (line) => {
    expect(() => refuseUnlessRemote(line.split(' '))).toThrow(
      expect.objectContaining({ name: 'ControlError', code: 'control_request_invalid' }),
    )
  })
})
