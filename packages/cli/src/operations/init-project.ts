import { statSync } from 'node:fs'
import { createFile } from '@mux/instance/atomic-file'
import { configTemplate } from '../config-template.ts'
import { CliError } from '../errors.ts'
import { parseConfig } from '../mux-yaml.ts'
import { CONFIG_FILE, type Project } from '../project.ts'
import { type Application, recognise } from './recognise.ts'

export interface InitResult {
  file: string
  recognised: Application['kind']
  title: string
  instances: string[]
  url: string
  advice: readonly string[]
}

/**
 * Writes a first mux.yaml for the application in a project's directory; never over one that is there.
 * @param path the search path for programs, of the environment
 * @throws {CliError} `project_exists`, `project_not_found`
 */
export async function initProject(project: Project, path: string | undefined): Promise<InitResult> {
  if (!statSync(project.directory, { throwIfNoEntry: false })?.isDirectory())
    throw new CliError('project_not_found', `There is no directory ${project.directory}.`)
  const application = recognise(project.directory, path)
  const instances = [1, 2, 3].map((n) => `${application.prefix}${n}`)
  const text = configTemplate(application, instances)
  const { listen } = parseConfig(text, project).edge
  if (!(await createFile(project.configFile, text, 0o644)))
    throw new CliError(
      'project_exists',
      `There is a ${CONFIG_FILE} in ${project.directory} already. It is as it was.`,
      {
        hint: 'Go on with it: mux user add NAME, mux up',
      },
    )
  return {
    file: project.configFile,
    recognised: application.kind,
    title: application.title,
    instances,
    url: `http://${listen.host}:${listen.port}/`,
    advice: application.advice,
  }
}
