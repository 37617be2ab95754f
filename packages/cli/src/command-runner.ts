import { type RunCommand, startSession } from '@mux/instance'
import { REMOTE_VARIABLE } from './end-with-host.ts'
import { PROGRAM } from './program.ts'
import type { Project } from './project.ts'
import { refuseUnlessRemote } from './remote-commands.ts'

/**
 * Runs commands in this project for its operator elsewhere, by this very program: what they do is then done in one way.
 * @param environment of which a documented few variables are passed on
 */
export function commandRunner(project: Project, environment: NodeJS.ProcessEnv): RunCommand {
  return async ({ args, columns }, stdin) => {
    refuseUnlessRemote(args)
    return startSession({
      words: [process.execPath, PROGRAM, ...args],
      directory: project.directory,
      environment,
      variables: {
        MUX_PROJECT: project.directory,
        [REMOTE_VARIABLE]: '1',
        ...(columns === undefined ? {} : { OCLIF_COLUMNS: String(columns) }),
      },
      stdin,
    })
  }
}
