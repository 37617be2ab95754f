import { Flags } from './oclif.ts'

/** Of a command that takes something away from a user who may be served by hosts elsewhere. */
export const waitFlag = {
  wait: Flags.boolean({
    description:
      'return only when every host enforces it; after a minute, end with 5 and name those that do not',
    helpGroup: 'CLOUDFLARE',
  }),
}
