import { ControlError, type InstanceName, parseInstanceName } from '@mux/contract'
import { expect, it } from 'vitest'
import { roll, type RollOptions } from './roll.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e'].map((name) => parseInstanceName(name)!)

/** A roll of which each restart is ended by hand. */
function begin(options: Partial<RollOptions>) {
  const underWay = new Map<InstanceName, (end: () => void) => void>()
  const told: string[] = []
  const stop = new AbortController()
  const result = roll(NAMES, {
    parallel: 1,
    stop: stop.signal,
    restart: (instance) =>
      new Promise((resolve, reject) => {
        underWay.set(instance, (end) => {
          underWay.delete(instance)
          try {
            end()
            resolve({ instance, oldPid: 1, newPid: 2, drained: 0, took: 3 })
          } catch (error) {
            reject(error)
          }
        })
      }),
    done: ({ instance, outcome }) => told.push(`${instance} ${outcome}`),
    ...options,
  })
  const end = async (name: string, how = () => {}) => {
    underWay.get(parseInstanceName(name)!)!(how)
    await new Promise(setImmediate)
  }
  return { result, told, stop, end, running: () => [...underWay.keys()].join('') }
}

function fail() {
  throw new ControlError('instance_failed', 'It exited with code 3.', { log: ['no disk'] })
}

it.each([1, 2, 3, 9])('a roll has no more than %i under way, and begins in order', async (parallel) => {
  const { result, end, running } = begin({ parallel })
  for (const [at, name] of NAMES.entries()) {
    expect(running()).toBe(NAMES.slice(at, at + parallel).join(''))
    await end(name)
  }
  expect((await result).steps.map(({ outcome }) => outcome)).toEqual(NAMES.map(() => 'restarted'))
})

it('the first that fails ends a roll: what is under way ends, and the rest is left alone', async () => {
  const { result, told, end } = begin({ parallel: 2 })
  await end('a', fail)
  await end('b')
  const { steps, failure } = await result
  expect(told).toEqual(['a failed', 'b restarted'])
  expect(steps.map(({ outcome }) => outcome)).toEqual([
    'failed',
    'restarted',
    'untouched',
    'untouched',
    'untouched',
  ])
  expect(steps[0]).toMatchObject({ error: { code: 'instance_failed', details: ['no disk'] } })
  expect(failure).toMatchObject({ code: 'instance_failed', exitCode: 1 })
})

it('one that is told to stop ends in the same way, and nothing has failed', async () => {
  const { result, stop, end } = begin({})
  await end('a')
  stop.abort()
  await end('b')
  const { steps, failure } = await result
  expect(steps.map(({ outcome }) => outcome)).toEqual([
    'restarted',
    'restarted',
    'untouched',
    'untouched',
    'untouched',
  ])
  expect(failure).toBeUndefined()
})

it('one that does not run any more when its turn comes is passed by', async () => {
  const { result, told } = begin({ restart: () => Promise.resolve(null) })
  await result
  expect(told).toEqual(NAMES.map((name) => `${name} not_running`))
})
