import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, it } from 'vitest'
import { randomNumbers } from './bad-input/random-lines.ts'
import { absentOf } from './harness/absent.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { Held } from './harness/held.ts'
import { expectLostByKills, type Kill, Load, printTally } from './harness/load.ts'
import { expectNothingLeft } from './harness/nothing-left.ts'
import { processesOf, signal } from './harness/processes.ts'
import { Project } from './harness/project.ts'

/** Another seed is another order of things; one that has failed can be run again. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const STEPS = Number(process.env['STEPS'] ?? 40)
const USERS = { graham: 'django1', brian: 'django2', malcolm: 'django3' }
const INSTANCES = `{
  django1: {},
  django2: { restart: replace },
  django3: { restart: replace, idle: 150ms, settings: { SOCKET: "" } },
  django4: { boot: eager },
}`

let project: Project
let mux: Held | undefined
let load: Load | undefined
let operators: CommandLines[] = []

afterEach(async () => {
  load?.kill()
  for (const operator of operators) operator.end()
  operators = []
  await mux?.end()
  await expectNothingLeft(project)
  await project.remove()
})

it.skipIf(absentOf(['python3']).length > 0)(
  'two operators who restart, change, put back and move what they like while mux is replaced or killed lose no request but those that a killed one had',
  async () => {
    project = await Project.create(echoYaml(INSTANCES, { fixture: 'ledger.mjs' }))
    const users = { ...USERS, nomad: 'django4' }
    await Promise.all(Object.entries(users).map(([user, instance]) => project.addUser(user, instance)))
    mux = await Held.up(project)
    await mux.serving()
    operators = await Promise.all([CommandLines.start(project), CommandLines.start(project)])
    load = new Load(mux.url, USERS, { keepAlive: true, burst: 40, requests: 5_000 })
    const { outcomes, kills } = await happenings(mux, operators)
    const tally = await load.end(project)
    printTally(`${STEPS} steps at random, seed ${SEED}`, tally, {
      ...outcomes,
      carriedOut: tally.carriedOut.length,
    })
    expectLostByKills(tally, kills, 5_000)
  },
)

/** What was done how often, and when mux was killed. */
async function happenings(mux: Held, operators: readonly CommandLines[]) {
  const random = randomNumbers(SEED)
  const anyOf = <T>(things: readonly T[]): T => things[Math.floor(random() * things.length)]!
  const outcomes: Record<string, number> = {}
  const kills: Kill[] = []
  const count = (what: string) => (outcomes[what] = (outcomes[what] ?? 0) + 1)

  const order = async (operator: CommandLines) => {
    const instance = anyOf(Object.values(USERS))
    const line = anyOf([
      `instance restart ${instance}`,
      `instance set ${instance} COLOUR=${Math.floor(random() * 1_000)}`,
      `instance rollback ${instance}`,
      `instance start ${instance}`,
      'instance restart --all',
      'user password nomad --generate',
      `user move nomad --instance ${instance}`,
      'user disable nomad',
      'user enable nomad',
      'status',
    ])
    // What cannot be carried out while mux is being replaced, or has nothing to put back, says so.
    count((await operator.run([...line.split(' '), '--json'])).code === 0 ? 'done' : 'not done')
  }
  const replace = async () => {
    await mux.replace('SIGTERM')
    count('replaced')
  }
  const kill = async () => {
    const from = Date.now()
    await mux.replace('SIGKILL')
    kills.push({ from, to: Date.now() })
    count('killed')
  }
  const killBystander = async () => {
    const bystander = (await processesOf(project)).find(({ instance }) => instance === 'django4')
    // It may be leaving just now, for a restart of all.
    if (bystander) signal(bystander.pid, 'SIGKILL')
  }
  const steps = async (operator: CommandLines, mayEndMux: boolean) => {
    for (let n = 0; n < STEPS / operators.length; n++) {
      const chance = random()
      if (chance < 0.15 && mayEndMux) await replace()
      else if (chance < 0.3 && mayEndMux) await kill()
      else if (chance < 0.35) await killBystander()
      else await order(operator)
      await wait(random() * 100)
    }
  }
  await Promise.all(operators.map((operator, n) => steps(operator, n === 0)))
  return { outcomes, kills }
}
