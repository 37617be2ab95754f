import * as args from '@oclif/core/args'

/** What the commands use of oclif, by doors of its own that do not load the half of it that they do not need. */
export { Command } from '@oclif/core/command'
export * as Flags from '@oclif/core/flags'

/**
 * Arguments that stand on the command line. oclif takes one that is missing from standard input, where a password may be,
 * which would then be told as a name that cannot be; and in a loop that reads lines, it takes the next line.
 */
export const Args = { string: args.custom({ ignoreStdin: true }) }
