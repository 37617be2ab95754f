import { type CliErrorCode, CliError } from './errors.ts'
import type { RemoteHost } from './remote-host.ts'

/** What is said of a host whose clock differs by more, in milliseconds: by half a minute, it may accept nothing any more. */
const CLOCK_TOLERANCE = 5_000

/** A host that was not reached, or did not listen. */
export class HostFailure extends CliError {
  /** Why, in a few words, where the host is named already. */
  readonly reason: string

  constructor(
    code: CliErrorCode & `host_${string}`,
    reason: string,
    message: string,
    { hint, cause }: { hint: string; cause?: unknown },
  ) {
    super(code, message, { hint, cause })
    this.reason = reason
  }
}

export function hostUnreachable({ name, origin }: RemoteHost, reason: string, cause?: unknown): HostFailure {
  const message = `The host ${name} cannot be reached at ${origin}: ${reason}.`
  return new HostFailure('host_unreachable', reason, message, {
    hint: 'See whether mux runs there: mux status   Where its certificate is of a CA of your own, name that in NODE_EXTRA_CA_CERTS.',
    cause,
  })
}

/** @param date the `Date` of its answer: to whose clock is wrong, a signature is never fresh */
export function hostRefused({ name }: RemoteHost, date: string | undefined): HostFailure {
  const clock = clockAhead(Date.parse(date ?? ''), Date.now())
  const reason =
    clock === null
      ? 'it does not accept the key of this operator'
      : `${clockText(clock)}, or it does not know the key`
  return new HostFailure(
    'host_refused',
    reason,
    `The host ${name} refuses what this operator signs: ${reason}.`,
    {
      hint: `Its log says why: control_refused in .mux/logs/mux.log there. See that the clocks of both machines agree; give it the key anew with: mux host key ${name}`,
    },
  )
}

/** How far a clock is ahead of ours, in milliseconds; null where it is not known, or does not matter. */
export function clockAhead(theirs: number, ours: number): number | null {
  const ahead = Math.round(theirs - ours)
  return Math.abs(ahead) > CLOCK_TOLERANCE ? ahead : null
}

export function clockText(ahead: number): string {
  return `its clock is ${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead' : 'behind'}`
}
