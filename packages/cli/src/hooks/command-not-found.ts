import type { Hook } from '@oclif/core'
import { CliError } from '../errors.ts'
import { nearest } from '../nearest.ts'

const commandNotFound: Hook<'command_not_found'> = async ({ id, config }) => {
  const known = config.commands.filter((command) => !command.hidden).map((command) => spaced(command.id))
  const words = spaced(id).split(' ')
  const typed = words.slice(0, config.findTopic(words[0]!) === undefined ? 1 : 2).join(' ')
  // The first two words may be a command with both of them misspelt.
  const meant = nearest(typed, known) ?? nearest(words.slice(0, 2).join(' '), known)
  throw new CliError(
    'command_not_found',
    `mux has no command ${JSON.stringify(typed)}.`,
    meant === undefined ? 'See: mux --help' : `Did you mean: mux ${meant}`,
  )
}

function spaced(id: string): string {
  return id.replaceAll(':', ' ')
}

export default commandNotFound
