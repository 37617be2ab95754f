import { CliError } from './errors.ts'

/** Where a host is. */
export interface HostPlace {
  /** By what the edge reaches it. */
  origin: string
  /** URL by which the operator does; null: the same. */
  control: string | null
}

/** A binding of the Worker is no place to which the operator's machine gets. @throws {CliError} `usage` */
export function refuseUnreachable({ origin, control }: HostPlace): void {
  if (control !== null || /^https?:/.test(origin)) return
  throw new CliError(
    'usage',
    `Only a Worker reaches ${origin}, and your commands have to reach the host, too.`,
    {
      hint: 'Say how they do: --control-url URL',
    },
  )
}
