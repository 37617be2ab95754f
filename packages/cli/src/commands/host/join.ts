import { Args, Flags } from '../../oclif.ts'
import { askHidden, canAsk, readHidden } from '../../ask.ts'
import { BaseCommand } from '../../base-command.ts'
import { listenOf } from '../../listen-flag.ts'
import { CliError } from '../../errors.ts'
import { originOf } from '../../host-flags.ts'
import { JOIN_KEY_RULE, type HostKeys, parseJoinKey } from '../../join-key.ts'
import { hostName } from '../../names.ts'
import { joinHost } from '../../operations/join-host.ts'

export default class HostJoin extends BaseCommand {
  static override summary = 'make this project a host of an edge that runs elsewhere'
  static override description =
    'Puts the keys by which it knows that edge and its operator in place, and writes host into mux.yaml. With another key, again, the one of before stays good beside it until it is retired.'
  static override examples = [
    '<%= config.bin %> host join web1 --origin https://web1.example.com',
    'cat key | <%= config.bin %> host join web1 --origin https://web1.example.com --key-stdin',
  ]
  static override args = { name: Args.string({ description: 'name of this host', required: true }) }
  static override flags = {
    origin: Flags.string({
      description: 'how the edge reaches this host; without it, as mux.yaml says',
      helpValue: 'URL',
    }),
    listen: Flags.string({
      description: 'address that its gateway listens on; without it, as mux.yaml says, or 127.0.0.1:9090',
      helpValue: 'ADDR:PORT',
    }),
    'key-stdin': Flags.boolean({
      description: 'read the key that mux host add has made from standard input',
    }),
  }

  async run() {
    const { args, flags } = await this.parse(HostJoin)
    const project = this.findProject(flags)
    const order = {
      host: hostName(args.name),
      origin: originOf(flags.origin, '--origin'),
      listen: listenOf(flags.listen),
      keys: await readJoinKey(flags['key-stdin']),
    }
    const joined = await joinHost(project, order)
    const { host, origin, listen, keys } = joined
    if (!joined.changed) this.log(`This project is the host ${host} already. Nothing was changed.`)
    else if (keys === 'added') this.log(`The host ${host} accepts another key, besides the one of before.`)
    else this.log(`This project is the host ${host}, at ${origin}; it listens on ${listen}.`)
    if (joined.restartNeeded)
      this.hint('mux runs here as it was started. To have it serve as that: mux down, then mux up')
    else if (joined.supervisor === 'not_running') this.hint('Start it: mux up --detach')
    return joined
  }
}

/** @throws {CliError} `usage`, `password_invalid`, `key_unusable` */
async function readJoinKey(fromInput: boolean): Promise<HostKeys> {
  if (!fromInput && !canAsk())
    throw new CliError(
      'usage',
      'There is no terminal to ask for the join key on.',
      'Pipe it in with --key-stdin.',
    )
  const keys = parseJoinKey(fromInput ? await readHidden('join key') : await askHidden('Join key', false))
  if (keys) return keys
  throw new CliError('key_unusable', `This is not ${JOIN_KEY_RULE}, or it is not whole.`, {
    hint: 'The operator sees it again with: mux host key NAME',
  })
}
