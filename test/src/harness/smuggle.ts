import { expect } from 'vitest'
import { malformedBytes } from '../malformed.ts'
import { SMUGGLING } from '../smuggling.ts'
import { ledgerLines } from './layout.ts'
import type { Project } from './project.ts'
import { sayAndEnd, successesIn } from './raw.ts'

/** Attacks under way at once, so that connections are shared by some and kept between others. */
const AT_ONCE = 8

export interface Smuggling {
  url: string
  project: Project
  /** The header lines of who may send the outer request, each with its end. */
  proof: (method: string, target: string) => string
  /** Asks for a target as somebody else, and fails unless it is answered with that. */
  victim: (target: string) => Promise<void>
}

/**
 * Sends every request that could be taken for two, each followed by a request of somebody else. Whatever is made of the
 * outer ones, the inner one has no credential: it may be answered with a refusal, and reaches no instance.
 */
export async function expectNothingSmuggled({ url, project, proof, victim }: Smuggling): Promise<void> {
  const attacks = Object.entries(SMUGGLING)
  const before = (await ledgerLines(project)).length
  const outer = (at: number) => `/outer/${at}`
  const waiting = [...attacks.entries()]
  const attack = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [at, [title, malformed]] = next
      const bytes = Buffer.from(malformedBytes(malformed, outer(at), proof), 'latin1')
      const [received] = await Promise.all([sayAndEnd(url, bytes), victim(`/victim/${at}/meanwhile`)])
      expect(successesIn(received), title).toBeLessThanOrEqual(1)
      await victim(`/victim/${at}/behind`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, attack))
  const now = await ledgerLines(project)
  const seen = now.slice(before).filter((line) => line.startsWith('request'))
  expect(seen.filter((line) => line.includes('/smuggled'))).toEqual([])
  expect(seen.filter((line) => line.includes(' /victim/'))).toHaveLength(2 * attacks.length)
  for (const [at, [title]] of attacks.entries()) {
    const times = seen.filter((line) => line.endsWith(` ${outer(at)}`)).length
    expect(times, title).toBeLessThanOrEqual(1)
  }
}
