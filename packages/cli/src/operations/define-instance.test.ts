import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addUser, createProject, type TestProject, TWO_INSTANCES } from '../fixtures/mux.ts'

let project: TestProject
let url: string
beforeEach(async () => {
  project = await createProject()
  url = (await project.up()).url
})
afterEach(() => project.remove())

async function servedBy(headers: Record<string, string>): Promise<unknown> {
  const answer = await fetch(url, { headers })
  return ((await answer.json()) as { instance?: string }).instance
}

describe('an instance that was written into mux.yaml by hand, beside a mux that runs', () => {
  beforeEach(() => project.write('mux.yaml', `${TWO_INSTANCES}  c: {}\n`))

  it('serves whoever is added to it', async () => {
    expect(await servedBy(await addUser(project, 'carol', 'c'))).toBe('c')
  })

  it('serves whoever is moved to it', async () => {
    const graham = await addUser(project, 'graham', 'a')
    await project.mux('user', 'move', 'graham', '--instance', 'c')
    expect(await servedBy(graham)).toBe('c')
  })

  it('serves those whom a route leads to it', async () => {
    await project.mux('route', 'set', '*', '--instance', 'c', '--public')
    expect(await servedBy({})).toBe('c')
  })
})
