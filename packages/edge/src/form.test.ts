import { afterEach, expect, test, vi } from 'vitest'
import { readForm } from './form.ts'

afterEach(() => vi.useRealTimers())

function formRequest(
  body: string | ReadableStream<Uint8Array>,
  type = 'application/x-www-form-urlencoded; charset=utf-8',
): Request {
  const duplex = 'half' as const
  return new Request('http://a/', { method: 'POST', headers: { 'content-type': type }, body, duplex })
}

test('a form is read whole, however it is cut', async () => {
  const cut = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of new TextEncoder().encode('username=j%C3%BCrgen&password=ü')) {
        controller.enqueue(Uint8Array.of(byte))
      }
      controller.close()
    },
  })
  expect([...(await readForm(formRequest(cut)))]).toEqual([
    ['username', 'jürgen'],
    ['password', 'ü'],
  ])
})

test.each([
  ['of another type', formRequest('{}', 'application/json'), 'bad_request'],
  ['over 16 KiB', formRequest('a'.repeat(16 * 1024 + 1)), 'body_too_large'],
])('one %s is refused', async (_, request, code) => {
  await expect(readForm(request)).rejects.toMatchObject({ code })
})

test('one that does not come to its end is given up after ten seconds', async () => {
  vi.useFakeTimers()
  const outcome = readForm(formRequest(new ReadableStream<Uint8Array>())).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await outcome).toMatchObject({ code: 'request_timeout' })
})
