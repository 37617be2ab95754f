import { readdir } from 'node:fs/promises'
import { afterEach, expect, it } from 'vitest'
import { echoYaml } from './harness/echo.ts'
import { IN_FLIGHT, Load, printTally } from './harness/load.ts'
import { leave } from './harness/nothing-left.ts'
import { Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

/** Within what mux is to be gone, in milliseconds: half of what it may let requests have that do not end. */
const IN_TIME = 30_000
/** What is under way when mux is told to end is what counts; whoever comes after that is refused. */
const REQUESTS = 5_000

let project: Project
let running: Running | undefined
let load: Load | undefined

afterEach(async () => {
  load?.kill()
  await leave(project, running)
  running = load = undefined
})

it.each([
  ['on connections that are kept', true],
  ['on a connection each', false],
])(
  'ended under load, %s, mux answers all that it has taken, refuses the rest, and is gone in time',
  async (title, keepAlive) => {
    project = await Project.create(
      echoYaml('{ django1: {}, django2: { restart: replace } }', { fixture: 'ledger.mjs', drain: '60s' }),
    )
    const mux = (running = await Running.up(project))
    await Promise.all([project.addUser('graham', 'django1'), project.addUser('brian', 'django2')])
    load = new Load(mux.url, { graham: 'django1', brian: 'django2' }, { keepAlive, requests: REQUESTS })
    await load.reached(REQUESTS / 3)
    const began = performance.now()
    expect(await mux.stop('SIGTERM')).toBe(0)
    const took = Math.round(performance.now() - began)
    const tally = await load.end(project)
    const { lost, refused, misdelivered, duplicated, unaccounted, carriedOut } = tally
    const reset = lost.filter(({ kind }) => kind !== 'ECONNREFUSED')
    printTally(`ended under load, ${title}`, tally, { took, reset: reset.length })
    expect(took).toBeLessThan(IN_TIME)
    expect({ refused, misdelivered, duplicated, unaccounted, carriedOut }).toEqual({
      refused: [],
      misdelivered: [],
      duplicated: [],
      unaccounted: [],
      carriedOut: [],
    })
    expect(tally.answered + lost.length).toBe(tally.sent)
    // Who connects in the very moment in which the socket is closed is reset by the kernel. Of those who come at any other
    // moment nobody is: when they were, it was 25 of the 32.
    expect(reset.length).toBeLessThan(IN_FLIGHT / 4)
    expect((await readdir(project.path('.mux/run'))).filter((name) => /\.(sock|json)$/.test(name))).toEqual(
      [],
    )
  },
)
