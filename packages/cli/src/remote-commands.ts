import { ControlError } from '@mux/contract'

/** What an operator may run on a host from afar: what concerns instances, and nothing that says who may do what. */
const COMMANDS: Readonly<Record<string, ReadonlySet<string> | undefined>> = {
  status: new Set(),
  instance: new Set([
    'add',
    'export',
    'import',
    'list',
    'logs',
    'remove',
    'restart',
    'rollback',
    'set',
    'show',
    'start',
    'stop',
    'unset',
  ]),
}

/** They would lead elsewhere: to another project of that machine, or on to another host. */
const ELSEWHERE = ['--project', '--host', '--on']

/**
 * @param args what stands behind `mux`
 * @throws {ControlError} `control_request_invalid` for a command that is not run from afar
 */
export function refuseUnlessRemote(args: readonly string[]): void {
  const [topic = '', verb = ''] = args
  const verbs = Object.hasOwn(COMMANDS, topic) ? COMMANDS[topic]! : undefined
  const isKnown = verbs !== undefined && (verbs.size === 0 || verbs.has(verb))
  const leadsElsewhere = args.some((arg) =>
    ELSEWHERE.some((flag) => arg === flag || arg.startsWith(`${flag}=`)),
  )
  if (isKnown && !leadsElsewhere) return
  throw new ControlError('control_request_invalid', 'This command is not run on a host from afar.', {
    hint: 'Run it on that machine, in the directory of its mux.yaml.',
  })
}
