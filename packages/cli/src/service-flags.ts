import { Flags } from './oclif.ts'
import type { ServiceOptions } from './operations/service.ts'
import type { Project } from './project.ts'

/** What the commands about the service have in common. */
export const SERVICE_FLAGS = {
  user: Flags.boolean({
    description: 'for the systemd of the user who runs this (default, unless that is root)',
    exclusive: ['system'],
  }),
  system: Flags.boolean({ description: 'for the systemd of the machine; to install it takes root' }),
  name: Flags.string({ description: 'of the units, instead of mux-DIRECTORY', helpValue: 'NAME' }),
}

interface Given {
  user: boolean
  system: boolean
  name: string | undefined
}

export function serviceOptions(project: Project, { user, system, name }: Given): ServiceOptions {
  const isSystem = system || (!user && process.getuid?.() === 0)
  return { project, scope: isSystem ? 'system' : 'user', name, environment: process.env }
}
