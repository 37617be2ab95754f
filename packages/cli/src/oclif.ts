/** What the commands use of oclif, by doors of its own that do not load the half of it that they do not need. */
export * as Args from '@oclif/core/args'
export { Command } from '@oclif/core/command'
export * as Flags from '@oclif/core/flags'
