import { fileURLToPath } from 'node:url'
import { type Command, CommandHelp, Config } from '@oclif/core'
import { describe, expect, it } from 'vitest'

const config = await Config.load(fileURLToPath(new URL('..', import.meta.url)))
// Those two come with oclif.
const commands = config.commands.filter(({ id }) => !/^(help|autocomplete)\b/.test(id))
const named = commands.map((command): [string, Command.Loadable] => [
  command.id.replaceAll(':', ' '),
  command,
])

it('mux has the commands that the design names', () => {
  expect(named.map(([id]) => id)).toEqual(
    expect.arrayContaining([
      'init',
      ...['add', 'disable', 'enable', 'import', 'list', 'move', 'password', 'remove', 'show', 'sign-out'].map(
        (verb) => `user ${verb}`,
      ),
      ...[
        'add',
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
      ].map((verb) => `instance ${verb}`),
      ...['diff', 'pull', 'push'].map((verb) => `registry ${verb}`),
      ...['list', 'remove', 'set'].map((verb) => `route ${verb}`),
      ...['create', 'list', 'revoke'].map((verb) => `token ${verb}`),
      'key rotate',
      'key retire',
    ]),
  )
})

describe.each(named)('mux %s', (_, command) => {
  it('says in a line what it does, as a fragment of a sentence', () => {
    expect(command.summary).toMatch(/^[a-z].*[^.]$/)
    expect(command.summary!.length).toBeLessThan(90)
  })

  it('has examples that begin with mux', () => {
    expect(command.examples?.length).toBeGreaterThan(0)
    expect(command.examples).toEqual(
      command.examples!.map(() => expect.stringMatching(/<%= config\.bin %> /)),
    )
  })

  it('takes --json and --project, and describes every flag and argument in lower case', () => {
    expect(command.flags).toHaveProperty('json')
    expect(command.flags).toHaveProperty('project.env', 'MUX_PROJECT')
    const texts = [...Object.values(command.flags), ...Object.values(command.args)]
      .filter(({ name }) => name !== 'json')
      .map(({ name, description }) => `${name}: ${description}`)
    expect(texts).toEqual(texts.map(() => expect.stringMatching(/^\S+: (?:[a-z]|URL)[^]*[^.]$/)))
  })

  it('explains itself within 80 columns', () => {
    const help = new CommandHelp(command, config, { maxWidth: 80, stripAnsi: true }).generate()
    expect(help).toContain('EXAMPLES')
    expect(help.split('\n').filter((line) => line.length > 80)).toEqual([])
  })
})
