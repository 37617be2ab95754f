import { setTimeout as sleep } from 'node:timers/promises'
import { CliError } from '../errors.ts'
import { list } from '../render.ts'
import type { DeploySteps } from './deploy-steps.ts'

/** How long one answer may take, and between two questions, in milliseconds. */
const ANSWER_LIMIT = 10_000
const PAUSE = 1_000

/**
 * The step in which it is seen that a version answers.
 * @throws {CliError} `deployment_unconfirmed`, with what answered last
 */
export async function takeAnswer(
  steps: DeploySteps,
  urls: readonly string[],
  version: string,
  { patience, wait }: { patience: number; wait: (text: string) => void },
): Promise<void> {
  await steps.take('answer', async (say) => {
    if (urls.length === 0)
      return say('attention', 'no route is of one host name alone, so it was not looked at what answers')
    wait(`Waiting for ${list(urls)}.`)
    await confirmDeployment(urls, version, patience)
    say('ok', `${list(urls)} with this version`)
  })
}

/** @param patience milliseconds; a new domain gets its certificate in the meantime */
async function confirmDeployment(urls: readonly string[], version: string, patience: number): Promise<void> {
  const deadline = performance.now() + patience
  for (const url of urls) {
    for (;;) {
      const found = await look(url)
      if (found === version) break
      if (performance.now() >= deadline)
        throw new CliError('deployment_unconfirmed', `${url} does not answer with version ${version}.`, {
          hint: 'A new domain needs some minutes for its certificate. Look again: mux deploy',
          details: [`${url}/_mux/health: ${found}`],
        })
      await sleep(PAUSE)
    }
  }
}

/** The version that answers, or what answers instead. */
async function look(url: string): Promise<string> {
  try {
    const answer = await fetch(`${url}/_mux/health`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_LIMIT),
    })
    const said = (await answer.json().catch(() => ({}))) as { release?: unknown; code?: unknown }
    if (answer.ok)
      return typeof said.release === 'string' ? said.release : 'something that is no Worker of mux'
    return `status ${answer.status}${typeof said.code === 'string' ? ` ${said.code}` : ''}`
  } catch (error) {
    const { name, cause } = error as Error
    if (name === 'TimeoutError') return `no answer within ${ANSWER_LIMIT / 1000} s`
    return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'no answer'
  }
}
