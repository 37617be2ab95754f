import { expect, it } from 'vitest'
import { ControlError, decodeControlReply, decodeControlRequest } from './control.ts'

it('an order for an instance carries a checked name', () => {
  expect(decodeControlRequest('{"v":1,"op":"restart","instance":"django2"}')).toEqual({
    v: 1,
    op: 'restart',
    instance: 'django2',
  })
})

it.each([
  '',
  'garbage',
  '[]',
  '{"v":1}',
  '{"v":2,"op":"status"}',
  '{"v":1,"op":"status","extra":1}',
  '{"v":1,"op":"restart","instance":"../x"}',
  '{"v":1,"op":"restart"}',
  '{"v":1,"op":"constructor"}',
])('%j is no order', (text) => {
  expect(() => decodeControlRequest(text)).toThrow(
    expect.objectContaining({ name: 'ControlError', code: 'control_request_invalid' }),
  )
})

it('a refusal comes back as the error that it was', () => {
  const error = new ControlError('instance_failed', 'It exited with code 1.', {
    hint: 'mux instance logs django2',
    log: ['boom'],
  })
  const text = JSON.stringify({ v: 1, ok: false, error: error.toFailure() })
  expect(() => decodeControlReply('start', text)).toThrow(
    expect.objectContaining({ code: 'instance_failed', hint: 'mux instance logs django2', log: ['boom'] }),
  )
})

it('a reply of another shape is an error, never a half-filled result', () => {
  expect(() => decodeControlReply('status', '{"v":1,"ok":true,"result":{}}')).toThrow(ControlError)
})
