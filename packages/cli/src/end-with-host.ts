/** Tells a command that a host runs it for an operator elsewhere. */
export const REMOTE_VARIABLE = 'MUX_REMOTE'

let isFromAfar = false

/** Whether this command was given to a host: it is about the project of that host, and leads nowhere else. */
export function runsFromAfar(): boolean {
  return isFromAfar
}

/** In such a command: ends it when the host that runs it has gone, since its reader then has, too. */
export function endWithHost(): void {
  if (process.env[REMOTE_VARIABLE] === undefined) return
  isFromAfar = true
  // What it starts itself is not for it to end.
  delete process.env[REMOTE_VARIABLE]
  process.once('disconnect', () => process.exit())
  process.channel?.unref()
}
