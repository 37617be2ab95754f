import { BaseCommand } from '../base-command.ts'
import { initProject } from '../operations/init-project.ts'
import { directoryNamed, projectAt } from '../project.ts'

export default class Init extends BaseCommand {
  static override summary = 'write a first mux.yaml for the application in this directory'
  static override description =
    'Recognises Django, Rails and Node. Anything else that speaks HTTP works as well, once mux.yaml has its command.'
  static override examples = ['<%= config.bin %> init', '<%= config.bin %> init --project ./mysite']

  async run() {
    const { flags } = await this.parse(Init)
    const result = await initProject(projectAt(directoryNamed(flags.project)), process.env['PATH'])
    const { instances } = result
    this.log(`Found ${result.title}.`)
    this.log(`Wrote ${result.file} with the instances ${instances.join(', ')}.`)
    this.hint(
      [
        '',
        ...result.advice.map((line) => `To do: ${line}`),
        `Next:  mux user add NAME     somebody who signs in, with an instance of their own`,
        `       mux up                serve them all at ${result.url}`,
      ].join('\n'),
    )
    return result
  }
}
