import { Agent } from 'node:http'
import { ask, valuesOf } from './client.ts'

/** What became of every request of a load; nothing is left out. */
export interface Tally {
  answered: number
  /** Answered by an instance other than the user's, or with another user's name or content. */
  misdelivered: string[]
  /** Answered with an error, or not at all. */
  failed: string[]
  /** Processes that answered, by the instance that they said they were. */
  processes: Map<string, Set<number>>
}

/**
 * Sends requests to echoing instances until `enough` says so, each worker one after the other, on a connection that it
 * keeps unless told otherwise: by turns for each user, and by turns a slow GET and a POST with a body.
 * @param instances by user
 */
export async function load(
  url: string,
  instances: Record<string, string>,
  options: { inFlight: number; enough: (tally: Tally) => boolean; keepAlive?: boolean },
): Promise<Tally> {
  const tally: Tally = { answered: 0, misdelivered: [], failed: [], processes: new Map() }
  const users = Object.keys(instances)
  let sent = 0
  const worker = async () => {
    const agent = new Agent({ keepAlive: options.keepAlive ?? true, maxSockets: 1 })
    while (!options.enough(tally)) {
      const n = sent++
      const user = users[n % users.length]!
      await one(n, user, instances[user]!, agent)
    }
    agent.destroy()
  }
  const one = async (n: number, user: string, instance: string, agent: Agent) => {
    // Every second one of each user.
    const posts = Math.floor(n / users.length) % 2 === 0
    const label = `${posts ? 'POST' : 'GET'} ${n} of ${user}`
    try {
      const answer = posts
        ? await ask(url, `/${n}`, { user, agent, method: 'POST', body: label })
        : await ask(url, `/slow/20?${n}`, { user, agent })
      if (answer.status !== 200) {
        tally.failed.push(`${label}: ${answer.status} ${answer.body}`)
        return
      }
      tally.answered += 1
      const echo = answer.json()
      const expected = {
        instance,
        user: [user],
        target: posts ? `/${n}` : `/slow/20?${n}`,
        body: posts ? label : '',
      }
      const got = {
        instance: echo.instance,
        user: valuesOf(echo.headers, 'mux-user'),
        target: echo.target,
        body: echo.body,
      }
      if (JSON.stringify(got) !== JSON.stringify(expected)) {
        tally.misdelivered.push(`${label}: ${JSON.stringify(got)}`)
      }
      tally.processes.set(echo.instance, (tally.processes.get(echo.instance) ?? new Set()).add(echo.pid))
    } catch (error) {
      tally.failed.push(`${label}: ${String(error)}`)
    }
  }
  await Promise.all(Array.from({ length: options.inFlight }, worker))
  return tally
}
