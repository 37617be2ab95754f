import { Flags } from './oclif.ts'

/** How a new password comes in: never as an argument, which any process on the machine could read. */
export const passwordFlags = {
  'password-stdin': Flags.boolean({
    description: 'read the password from standard input',
    exclusive: ['generate', 'no-password'],
  }),
  generate: Flags.boolean({
    description: 'have a password made, and shown once',
    exclusive: ['password-stdin', 'no-password'],
  }),
  'no-password': Flags.boolean({
    description: 'none: they come by Cloudflare Access, or by API tokens',
    exclusive: ['password-stdin', 'generate'],
  }),
}
