import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { absentOf } from './harness/absent.ts'
import { ask } from './harness/client.ts'
import { CommandLines } from './harness/command-lines.ts'
import { echoYaml } from './harness/echo.ts'
import { Held } from './harness/held.ts'
import { expectNothingLeft } from './harness/nothing-left.ts'
import { Project } from './harness/project.ts'

/** How often mux is killed; `KILLS=100` looks closer. */
const KILLS = Number(process.env['KILLS'] ?? 8)
/** How long a change takes, more or less, in milliseconds: the moments of the kills are spread over it. */
const CHANGE = 1_000

let project: Project
let mux: Held | undefined
let operator: CommandLines | undefined

afterEach(async () => {
  operator?.end()
  await mux?.end()
  await expectNothingLeft(project)
  await project.remove()
})

it.skipIf(absentOf(['python3']).length > 0)(
  'a change that mux has confirmed stands, and one that it has not is made or not, at whatever moment mux is killed',
  async () => {
    project = await Project.create(echoYaml('{ django1: { restart: replace }, django2: {} }'))
    const users = { django1: 'graham', django2: 'brian' }
    for (const [instance, user] of Object.entries(users)) await project.addUser(user, instance)
    mux = await Held.up(project)
    await mux.serving()
    operator = await CommandLines.start(project)
    const stands: Record<string, string> = {}
    const told = { confirmed: 0, not: 0 }
    for (let n = 0; n < KILLS; n++) {
      const instance = n % 2 === 0 ? 'django1' : 'django2'
      const wanted = `colour-${n}`
      const change = operator.run(['instance', 'set', instance, `COLOUR=${wanted}`, '--json'])
      await wait((CHANGE * n) / KILLS)
      await mux.replace('SIGKILL')
      const { code } = await change
      await mux.serving()
      const found = {
        written: await colourOf(instance),
        served: (await ask(mux.url, '/', { user: users[instance] })).json().colour as string | null,
      }
      told[code === 0 ? 'confirmed' : 'not']++
      if (code === 0) expect(found).toEqual({ written: wanted, served: wanted })
      else
        for (const colour of Object.values(found))
          expect([stands[instance] ?? null, wanted]).toContain(colour)
      // What the next one of this instance is compared with.
      if (found.served !== found.written) await operator.run(['instance', 'restart', instance])
      stands[instance] = found.written ?? stands[instance]!
    }
    process.stdout.write(`killed ${KILLS} times in a change: ${JSON.stringify(told)}\n`)
  },
)

/** As mux.yaml has it. */
async function colourOf(instance: string): Promise<string | null> {
  const { stdout } = await operator!.run(['instance', 'show', instance, '--json'])
  const { settings } = JSON.parse(stdout) as { settings: { name: string; value: string }[] }
  return settings.find(({ name }) => name === 'COLOUR')?.value ?? null
}
