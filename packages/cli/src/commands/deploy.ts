import { confirmed } from '../ask.ts'
import { BaseCommand } from '../base-command.ts'
import { CliError } from '../errors.ts'
import { kvFlags } from '../kv-flags.ts'
import { Flags } from '../oclif.ts'
import { deploy, type DeployOptions } from '../operations/deploy.ts'
import { dryRunDeployment } from '../operations/dry-run-deployment.ts'
import { rollbackDeployment } from '../operations/rollback-deployment.ts'
import { deployStep } from '../render-deploy.ts'
import { WORKERS_DEV } from '../worker-config.ts'
import { PRODUCTION } from '../wrangler-config.ts'

/** How long the Worker that was deployed may take to answer, in milliseconds: a new domain gets its certificate meanwhile. */
const PATIENCE = 120_000

export default class Deploy extends BaseCommand {
  static override summary = 'bring the edge of this project to Cloudflare'
  static override description =
    'Checks everything first, then makes what is missing: keys, a namespace of Workers KV with the registry, and the Worker with its secrets, through wrangler. Again, it does what differs, and nothing else.\nWhere the Worker serves stands in wrangler.jsonc beside mux.yaml, which the first run makes.'
  static override examples = [
    '<%= config.bin %> deploy --domain mux.example.com --dry-run',
    '<%= config.bin %> deploy --domain mux.example.com',
    '<%= config.bin %> deploy',
    '<%= config.bin %> deploy --env staging --domain staging.example.com',
    '<%= config.bin %> deploy --rollback',
  ]
  static override flags = {
    domain: Flags.string({
      description: `host name at which to serve from now on, in a zone of the account; or ${WORKERS_DEV}`,
      helpValue: 'NAME',
    }),
    'dry-run': Flags.boolean({ description: 'say what would be done, and change nothing' }),
    rollback: Flags.boolean({
      description: 'have the version answer again that did before; KV and the hosts stay as they are',
      exclusive: ['dry-run', 'domain'],
    }),
    ...kvFlags,
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
  }

  async run() {
    const { flags } = await this.parse(Deploy)
    const project = this.findProject(flags)
    const options: DeployOptions = {
      environment: flags.env === PRODUCTION ? undefined : flags.env,
      domain: flags.domain,
      flags,
      inherited: process.env,
      version: this.config.version,
      patience: PATIENCE,
      confirm: (question, details) => this.confirm(question, details, flags.yes),
      tell: (step) => this.log(deployStep(step)),
      wait: (text) => this.hint(text),
    }
    if (flags.rollback) {
      const rolledBack = await rollbackDeployment(project, options)
      this.hint('Records in KV, keys on the hosts, domains and wrangler.jsonc are as they were before this.')
      return rolledBack
    }
    if (flags['dry-run']) {
      const planned = await dryRunDeployment(project, options)
      this.hint('Nothing was changed.')
      return planned
    }
    const deployed = await deploy(project, options)
    this.log(`\nThe edge of this project is at ${deployed.urls.join(', ')}`)
    return deployed
  }

  private async confirm(question: string, details: readonly string[], yes: boolean): Promise<void> {
    for (const detail of details) this.hint(detail)
    try {
      await confirmed(question, yes)
    } catch (error) {
      if (!(error instanceof CliError) || error.code !== 'confirmation_needed') throw error
      // It has to say by itself what there is to be confirmed.
      throw new CliError(error.code, error.message, { hint: error.hint, details, cause: error })
    }
  }
}
