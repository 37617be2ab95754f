import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { ask } from './client.ts'
import { basic } from './project.ts'

export const ATTEMPTS_A_SECOND = 200

let attempts = 0

/**
 * Tries to sign in again and again, each time as somebody else from another address, or it would be turned away at once, and
 * breaks off what is not answered at the end.
 * @param duration in milliseconds
 * @param password that is wrong; null: asks without saying who asks, and nothing is hashed
 * @returns how many have been answered with which status
 */
export async function floodSignIns(
  url: string,
  duration: number,
  password: string | null,
): Promise<Record<number, number>> {
  const agent = new Agent({ keepAlive: false })
  const statuses: Record<number, number> = {}
  const all: Promise<void>[] = []
  const began = performance.now()
  let isOver = false
  const attempt = async (n: number) => {
    const headers = password === null ? {} : { authorization: basic(`nobody${n}`, password) }
    const localAddress = `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
    try {
      const { status } = await ask(url, '/', { headers, localAddress, agent })
      statuses[status] = (statuses[status] ?? 0) + 1
    } catch (error) {
      if (!isOver) throw error
    }
  }
  // By the clock: what waits for a timer each time falls behind on a machine that has other things to do.
  for (let passed = 0; passed < duration; passed = performance.now() - began) {
    while (all.length < (passed * ATTEMPTS_A_SECOND) / 1_000) all.push(attempt(attempts++))
    await wait(1)
  }
  isOver = true
  agent.destroy()
  await Promise.all(all)
  return statuses
}
