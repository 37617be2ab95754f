import { BaseCommand } from '../../base-command.ts'
import { installService, systemctlOf } from '../../operations/service.ts'
import { SERVICE_FLAGS, serviceOptions } from '../../service-flags.ts'

export default class ServiceInstall extends BaseCommand {
  static override summary = 'have systemd run mux for this project'
  static override description = `Writes a service and a socket where systemd looks for them, with the Node and the mux that run now. systemd holds the socket, so people wait while mux itself is started again. Nothing is started: what to run next is printed.`
  static override examples = [
    '<%= config.bin %> service install',
    'sudo env PATH="$PATH" <%= config.bin %> service install --system --project /srv/mysite',
  ]
  static override flags = SERVICE_FLAGS

  async run() {
    const { flags } = await this.parse(ServiceInstall)
    const installed = await installService(serviceOptions(this.findProject(flags), flags))
    const { name, scope, changes } = installed
    for (const [file, change] of Object.entries(changes))
      this.log(change === 'written' ? `Wrote ${file}.` : `${file} is up to date.`)
    const systemctl = systemctlOf(scope)
    this.hint(
      [
        '',
        `Next:  ${systemctl} daemon-reload`,
        `       ${systemctl} enable --now ${name}.socket ${name}.service`,
        ...(scope === 'user'
          ? [`       loginctl enable-linger        so that it runs while you are not signed in`]
          : []),
        `       journalctl ${scope === 'user' ? '--user ' : ''}-u ${name} -f`,
      ].join('\n'),
    )
    return { name, scope, changes }
  }
}
