import type { HostName, Signer } from '@mux/contract'
import { CliError } from './errors.ts'
import { hostName } from './names.ts'
import { Flags } from './oclif.ts'

/** Which key of all hosts a command is about, and which of them it leaves out. */
export const signerFlags = {
  edge: Flags.boolean({
    description: 'the key with which the edge signs what it sends to the hosts',
    exclusive: ['operator'],
    helpGroup: 'HOSTS',
  }),
  operator: Flags.boolean({
    description: 'the key with which you sign orders to the hosts',
    helpGroup: 'HOSTS',
  }),
  skip: Flags.string({
    description: 'leave out a host that is not there, with --edge or --operator',
    helpValue: 'NAME',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'HOSTS',
  }),
}

/** @throws {CliError} `usage`, `name_invalid` */
export function signerOf(flags: {
  edge: boolean
  operator: boolean
  skip?: readonly string[] | undefined
}): { signer: Signer; skip: HostName[] } | undefined {
  const signer = flags.edge ? 'edge' : flags.operator ? 'operator' : undefined
  if (signer !== undefined) return { signer, skip: (flags.skip ?? []).map(hostName) }
  if (flags.skip) throw new CliError('usage', '--skip goes with --edge or --operator.')
  return undefined
}
