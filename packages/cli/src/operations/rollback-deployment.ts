import { createCloudflareApi } from '@mux/edge/registry'
import { createCloudflareWorkers, isSecretsChanged } from '../cloudflare-workers.ts'
import { CliError } from '../errors.ts'
import { accountId, cloudflareAccess } from '../kv-namespace.ts'
import type { Project } from '../project.ts'
import { readWorkerConfig } from '../worker-config.ts'
import { findWranglerFile } from '../wrangler-config.ts'
import { takeAnswer } from './confirm-deployment.ts'
import type { DeployOptions } from './deploy.ts'
import { DeploySteps, type Step } from './deploy-steps.ts'
import { workerUrls } from './worker-urls.ts'

export interface RolledBack {
  worker: string
  account: string
  /** Ids of versions. */
  from: string
  to: string
  steps: Step[]
}

/**
 * Has the version answer again that did before the present one. Records in KV, the keys on the hosts, domains and wrangler.jsonc
 * stay as they are.
 * @throws {CliError} `nothing_to_restore` when there is none; with the step that failed
 */
export async function rollbackDeployment(
  project: Project,
  { environment, flags, inherited, version, patience, confirm, tell, wait }: DeployOptions,
): Promise<RolledBack> {
  const steps = new DeploySteps(tell)
  const config = await steps.take('settings', async () => {
    const found = await findWranglerFile(project.directory)
    if (found) return readWorkerConfig(found.file, found.text, environment)
    throw new CliError(
      'nothing_to_restore',
      'There is no wrangler.jsonc here, so nothing was deployed from here.',
      {
        hint: 'Deploy first: mux deploy --domain mux.example.com',
      },
    )
  })
  const { id, cloud, urls } = await steps.take('account', async () => {
    const access = await cloudflareAccess(project, flags, inherited, wait)
    const id = accountId(flags.account ?? config.account)
    const cloud = createCloudflareWorkers(createCloudflareApi(access), id)
    return { id, cloud, urls: await workerUrls(cloud, config) }
  })
  const { from, to } = await steps.take('worker', async (say, begin) => {
    const [current, before] = await cloud.versions(config.name)
    if (current === undefined || before === undefined)
      throw new CliError('nothing_to_restore', `The Worker ${config.name} has no version to go back to.`, {
        hint: 'See what there is: wrangler deployments list',
      })
    await confirm(`Go back from version ${current} to ${before}?`, [])
    const back = (force: boolean) => {
      begin()
      return cloud.deployVersion(config.name, before, { message: `mux ${version} deploy --rollback`, force })
    }
    try {
      await back(false)
    } catch (error) {
      if (!isSecretsChanged(error)) throw error
      await confirm('The keys of the Worker have changed since that version. Go back nevertheless?', [
        'with other keys people are signed out, and hosts that have retired the old key refuse everything',
      ])
      await back(true)
    }
    say('done', `version ${before} instead of ${current}`)
    return { from: current, to: before }
  })
  await takeAnswer(steps, urls, to, { patience, wait })
  return { worker: config.name, account: id, from, to, steps: steps.all }
}
