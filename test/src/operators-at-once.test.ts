import { afterAll, beforeAll, expect, it } from 'vitest'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { expectError } from './harness/outcomes.ts'
import { Project } from './harness/project.ts'

const OPERATORS = 5
const INSTANCES = ['django1', 'django2', 'django3']

let project: Project
let operators: CommandLines[]
beforeAll(async () => {
  project = await Project.create(echoYaml(`{ ${INSTANCES.map((name) => `${name}: {}`).join(', ')} }`))
  operators = await Promise.all(Array.from({ length: OPERATORS }, () => CommandLines.start(project)))
})
afterAll(async () => {
  for (const operator of operators ?? []) operator.end()
  await project?.remove()
})

/** What the commands of each operator reported, given one after the other while the others give theirs. */
async function atOnce<Report>(
  times: number,
  command: (who: number, time: number) => string[],
): Promise<Report[]> {
  const reports = operators.map(async (operator, who) => {
    const own: Report[] = []
    for (let time = 0; time < times; time++) {
      const outcome = await operator.run([...command(who, time), '--json'])
      expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0)
      own.push(outcome.json() as Report)
    }
    return own
  })
  return (await Promise.all(reports)).flat()
}

it('fifty people added by five operators at once are fifty, each with an instance of their own', async () => {
  await atOnce(10, (who, time) => ['user', 'add', `p${who}-${time}`, '--generate'])
  const { users } = (await project.must(['user', 'list', '--json'])).json() as {
    users: { instance: string }[]
  }
  const { instances } = (await project.must(['instance', 'list', '--json'])).json() as {
    instances: { name: string; users: string[] }[]
  }
  expect(new Set(users.map(({ instance }) => instance)).size).toBe(50)
  expect(instances.map(({ users: served }) => served.length)).toEqual(instances.map(() => 1))
})

it('of those who move the same person at once, each goes on from where the one before has put them', async () => {
  await project.must(['user', 'add', 'brian', '--instance', 'django1', '--generate'])
  const moves = await atOnce<{ from: string; instance: string; changed: boolean }>(4, (who, time) => [
    'user',
    'move',
    'brian',
    `--instance=${INSTANCES[(who + time) % INSTANCES.length]}`,
  ])
  const { instance: last } = (await project.must(['user', 'show', 'brian', '--json'])).json()
  const changes = moves.filter(({ changed }) => changed)
  // Led to as often as away from, but for the ends of the way.
  for (const name of INSTANCES) {
    const to = changes.filter(({ instance }) => instance === name).length + Number(name === 'django1')
    const from = changes.filter((move) => move.from === name).length + Number(name === last)
    expect([name, to]).toEqual([name, from])
  }
})

it('of those who add the same person or instance with something else of it, one does, and the others are told', async () => {
  const outcomes = await Promise.all(
    operators.map((operator, who) => operator.run(['instance', 'add', 'same', '--set', `WHO=${who}`])),
  )
  const winner = outcomes.findIndex(({ code }) => code === 0)
  const { settings } = (await project.must(['instance', 'show', 'same', '--json'])).json()
  expect(settings).toContainEqual({ name: 'WHO', value: String(winner), from: 'instance' })
  for (const [who, outcome] of outcomes.entries())
    if (who !== winner) expectError(outcome, 4, 'instance_exists')
})
