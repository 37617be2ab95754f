import { Buffer } from 'node:buffer'
import { on } from 'node:events'
import { parentPort } from 'node:worker_threads'
import type { HashOrder } from './hash-thread.ts'
import { compareInPlace } from './stored-password.ts'

// The program of a HashThread: one after the other, so that its answers need no name.
for await (const [{ stored, password }] of on(parentPort!, 'message') as AsyncIterable<[HashOrder]>)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  parentPort!.postMessage(await compareInPlace(stored, Buffer.from(password)))
