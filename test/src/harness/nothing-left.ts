import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { expectNoDefect, expectNoPassword } from './outcomes.ts'
import { processesIn, processesOf, signal } from './processes.ts'
import type { Project } from './project.ts'
import type { Running } from './running.ts'
import { until } from './until.ts'

/** Ends a test: the supervisor if it runs, then the project; and sees to it that there was nothing that should not have been. */
export async function leave(project: Project | undefined, running?: Running): Promise<void> {
  // What failed before there was one tells by itself.
  if (!project) return
  try {
    const runs = running !== undefined && !running.hasEnded
    const code = await running?.stop()
    await expectNothingLeft(project)
    if (runs) {
      expect(code).toBe(0)
      expect((await readdir(project.path('.mux/run'))).filter((name) => /\.(sock|json)$/.test(name))).toEqual(
        [],
      )
    }
  } finally {
    await project.remove()
  }
}

/** No process that was started in the project is there any more, whoever its parent is; and its logs tell no password. */
export async function expectNothingLeft(project: Project): Promise<void> {
  const instances = await processesOf(project)
  for (const { pid } of instances) signal(pid, 'SIGKILL')
  expect(instances).toEqual([])
  // What keeps the logs reads them to their end.
  await until('the end of every process of the project', async () =>
    (await processesIn(project)).length === 0 ? true : undefined,
  )
  for (const name of await readdir(project.path('.mux/logs')).catch(() => [])) {
    const text = await readFile(project.path('.mux/logs', name), 'utf8')
    expectNoPassword(text)
    if (name === 'mux.log' || name === 'events.jsonl') expectNoDefect(text)
  }
}
