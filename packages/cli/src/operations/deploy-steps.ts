import { CloudflareError } from '@mux/edge/registry'
import { CliError, toCliError } from '../errors.ts'

/** The steps of a deployment, in their order. */
export type StepName =
  | 'wrangler'
  | 'settings'
  | 'hosts'
  | 'account'
  | 'domain'
  | 'keys'
  | 'namespace'
  | 'registry'
  | 'worker'
  | 'answer'
  | 'mux.yaml'

/** `ok`: it was right already. `planned`: what a dry run leaves undone. `attention`: it can be gone on with, if one wants. */
export type StepOutcome = 'ok' | 'done' | 'planned' | 'attention'

export interface Step {
  step: StepName
  outcome: StepOutcome
  detail: string
}

/** What a deployment has come to so far, told as it happens. */
export class DeploySteps {
  readonly all: Step[] = []
  readonly #tell: (step: Step) => void

  constructor(tell: (step: Step) => void) {
    this.#tell = tell
  }

  /**
   * Does one step.
   * @param task says what it has come to; and before it changes anything, that it does
   * @throws {CliError} what it failed with, and what was done before
   */
  async take<Result>(
    step: StepName,
    task: (say: (outcome: StepOutcome, detail: string) => void, begin: () => void) => Promise<Result>,
  ): Promise<Result> {
    let begun = false
    try {
      return await task(
        (outcome, detail) => {
          const taken = { step, outcome, detail }
          this.all.push(taken)
          this.#tell(taken)
        },
        () => {
          begun = true
        },
      )
    } catch (error) {
      throw this.#at(step, toCliError(error), begun && !isRefusal(error))
    }
  }

  /** What is to be looked at before anything is changed. */
  get concerns(): string[] {
    return this.all.filter(({ outcome }) => outcome === 'attention').map(({ detail }) => detail)
  }

  /** @param half whether some of this very step may have been done */
  #at(step: StepName, error: CliError, half: boolean): CliError {
    const changed = this.all.filter(({ outcome }) => outcome === 'done').map((one) => one.step)
    const done = [...new Set(changed), ...(half ? [`perhaps some of ${step}`] : [])]
    const stays =
      done.length === 0
        ? 'Nothing was changed.'
        : `Done already: ${done.join(', ')}; the same command does the rest.`
    return new CliError(error.code, `Step ${step}: ${error.message}`, {
      // A hint ends in a command where there is one.
      hint: [stays, hintOf(error)].filter((part) => part !== null).join(' '),
      details: error.details,
      report: { step, steps: this.all },
      cause: error,
    })
  }
}

/** Cloudflare has said no, or the operator has: what was to be done was not. */
function isRefusal(error: unknown): boolean {
  if (error instanceof CliError) return error.code === 'confirmation_needed' || error.code === 'cancelled'
  return error instanceof CloudflareError && !error.isPassing
}

/** What to do about it where that is not what another command says of the same. */
function hintOf({ code, hint }: CliError): string | null {
  if (NEEDS_TOKEN.has(code))
    return 'Make a token by the template "Edit Cloudflare Workers" for this account and zone, and put it into CLOUDFLARE_API_TOKEN.'
  if (code === 'cloudflare_refused')
    return 'What Cloudflare says of it is often a limit of the account. If it is none, please report this.'
  if (code === 'record_unfit') return 'Put them right, then again: mux deploy'
  if (code === 'registry_conflict')
    return 'Take those first: mux registry pull   What differs: mux registry diff'
  return hint
}
const NEEDS_TOKEN: ReadonlySet<string> = new Set([
  'token_missing',
  'cloudflare_token_refused',
  'cloudflare_forbidden',
])
