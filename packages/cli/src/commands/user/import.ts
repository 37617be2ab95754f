import { Args, Flags } from '../../oclif.ts'
import { BaseCommand } from '../../base-command.ts'
import { instanceName } from '../../names.ts'
import { importUsers, readPeople } from '../../operations/import-users.ts'
import * as render from '../../render.ts'

export default class UserImport extends BaseCommand {
  static override summary = 'add the people of an htpasswd file, with the passwords that they have'
  static override description =
    'Takes bcrypt, apr1, SHA and SHA-crypt hashes; each is replaced by one of mux when its user first signs in. Without --instance each gets an instance of their own. Whoever is there already stays as they are.'
  static override examples = [
    '<%= config.bin %> user import /etc/apache2/htpasswd',
    '<%= config.bin %> user import htpasswd --instance django1',
  ]
  static override args = { file: Args.string({ description: 'path of the file', required: true }) }
  static override flags = {
    instance: Flags.string({ description: 'instance that serves all of them', helpValue: 'NAME' }),
  }

  async run() {
    const { args, flags } = await this.parse(UserImport)
    const project = this.findProject(flags)
    const instance = flags.instance === undefined ? undefined : instanceName(flags.instance)
    const people = await readPeople(args.file)
    const result = await this.withRegistry(project, (registry) =>
      importUsers(project, registry, { people, instance }),
    )
    for (const added of result.added) this.log(`Added ${added.user} on ${added.instance}.`)
    if (result.present.length > 0) this.log(`There already, and not changed: ${render.list(result.present)}.`)
    if (people.length === 0) this.log('There is nobody in that file. Nothing was changed.')
    return result
  }
}
