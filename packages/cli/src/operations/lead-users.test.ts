import type { HostName, InstanceName, KnownUser } from '@mux/contract'
import { expect, it } from 'vitest'
import { INSTANCE, USER } from '../fixtures/records.ts'
import { temporaryProject } from '../fixtures/run-mux.ts'
import { projectAt } from '../project.ts'
import { withRegistry } from '../registry.ts'
import { leadBack } from './lead-users.ts'

const ONE = 'one' as InstanceName
const WEB1 = { host: 'web1' as HostName, origin: 'https://web1.example.com' }
const WEB2 = { host: 'web2' as HostName, origin: 'https://web2.example.com' }

it.each([
  ['refuses them', () => Promise.resolve(), null],
  ['cannot be told', () => Promise.reject(new Error('the line is dead')), /the line is dead/],
])(
  'users lead back where they were also when the other end %s, which is told',
  async (_, fence, expected) => {
    const project = projectAt(temporaryProject('registry: sqlite\n'))
    await withRegistry(project, (registry) =>
      registry.change(() => ({
        changes: [
          { kind: 'instance', name: ONE, record: { ...INSTANCE, ...WEB2 } },
          { kind: 'user', name: 'brian', record: { ...USER, instance: ONE, target: WEB2, version: 7 } },
        ],
        result: undefined,
      })),
    )
    const fenced: (readonly KnownUser[])[] = []
    const { unfenced } = await leadBack(project, ONE, WEB1, (users) => {
      fenced.push(users)
      return fence()
    })
    if (expected === null) expect(unfenced).toBeNull()
    else expect(unfenced).toMatch(expected)
    const after = await withRegistry(project, (registry) => registry.read('user', 'brian'))
    expect(after).toMatchObject({ target: WEB1 })
    expect(after!.version).toBeGreaterThan(7)
    expect(fenced).toEqual([[{ name: 'brian', version: after!.version }]])
  },
)
