import type { Hook } from '@oclif/core'
import { CliError } from '../errors.ts'
import { nearest } from '../nearest.ts'

const commandNotFound: Hook<'command_not_found'> = async ({ id, config }) => {
  const typed = id.replaceAll(':', ' ')
  const known = config.commands
    .filter((command) => !command.hidden)
    .map((command) => command.id.replaceAll(':', ' '))
  const meant = nearest(typed, known)
  throw new CliError(
    'command_not_found',
    `mux has no command "${typed}".`,
    meant === undefined ? 'See: mux --help' : `Did you mean: mux ${meant}`,
  )
}

export default commandNotFound
