import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { Project } from './project.ts'

const EXAMPLE = join(import.meta.dirname, '../../../examples/notes')

/** The notes example in a directory of its own, on a free port, run by the Node that runs the tests. */
export async function notesProject(change: (muxYaml: string) => string = (yaml) => yaml): Promise<Project> {
  const project = await Project.create(null)
  await cp(EXAMPLE, project.directory, { recursive: true, filter: (source) => !/\/\.mux(\/|$)/.test(source) })
  const yaml = await project.read('mux.yaml')
  const adapted = yaml
    .replace('command: node ', `command: ${process.execPath} `)
    .replace('127.0.0.1:8080', '127.0.0.1:0')
  await project.write('mux.yaml', change(adapted))
  return project
}
