import type { UserName } from '@mux/contract'
import type { RegistryStore } from '@mux/edge/registry'
import { Command, Flags } from './oclif.ts'
import { CliError, withUsage } from './errors.ts'
import type { ToldHost } from './operations/tell-of-users.ts'
import { findProject, type Project } from './project.ts'
import * as render from './render.ts'

/** True when the one JSON document is wanted: `--json` among the arguments, before any `--`. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json')
}

/**
 * What all commands share. A command parses its arguments, calls an operation, prints the result with `log` (nothing
 * under `--json`) and returns it (printed as the one JSON document under `--json`). Errors are thrown and translated
 * once, in main.ts.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true
  static override baseFlags = {
    project: Flags.string({
      description: 'directory of mux.yaml; else the nearest one upward from here',
      env: 'MUX_PROJECT',
      helpGroup: 'GLOBAL',
      helpValue: 'DIR',
    }),
  }

  /** What was done here and has not reached all who have to know it; thrown when the result has been shown. */
  private late: CliError | undefined

  /** Which hosts were told of users who were changed. */
  private told: readonly ToldHost[] = []

  /** @throws {CliError} `project_not_found` */
  protected findProject(flags: { project: string | undefined }): Project {
    return findProject(flags.project)
  }

  /** Says quietly what to do next: on standard error, so that a script that reads the result does not get it. */
  protected hint(text: string): void {
    this.logToStderr(render.hint(text))
  }

  /**
   * Has a task change the registry. Where that does not reach KV, the command shows its result and fails then.
   * @param about a user who is carried also where nothing is changed
   * @param wait returns only when each host has been told of them
   */
  protected async withRegistry<Result>(
    project: Project,
    task: (registry: RegistryStore) => Promise<Result>,
    about?: UserName,
    wait?: boolean,
  ): Promise<Result> {
    // A command without one starts faster.
    const { withRegistry } = await import('./registry.ts')
    return withRegistry(project, task, {
      about,
      wait,
      told: (hosts) => (this.told = hosts),
      late: (failure) => this.fail(failure),
    })
  }

  /** Has the command fail when it has shown its result. */
  protected fail(failure: CliError): void {
    this.late ??= failure
  }

  override toSuccessJson(result: unknown): unknown {
    const report = this.told.length === 0 ? result : { ...(result as object), told: this.told }
    if (this.late === undefined) return report
    const { code, message, hint, details, cause } = this.late
    throw new CliError(code, message, { hint, details, cause, report: report as Record<string, unknown> })
  }

  override jsonEnabled(): boolean {
    return wantsJson(this.argv)
  }

  override logJson(value: unknown): void {
    process.stdout.write(`${render.json(value)}\n`)
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    if (error === undefined && this.late !== undefined && !this.jsonEnabled()) throw this.late
  }

  protected override async catch(error: Error): Promise<void> {
    throw withUsage(error, this.id?.replaceAll(':', ' ') ?? '')
  }
}
