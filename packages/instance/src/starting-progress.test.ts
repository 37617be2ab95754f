import { expect, it } from 'vitest'
import { progressText } from './starting-progress.ts'

const quiet = { awaitsTurn: false, bootingFor: null, limit: 30_000, nextTryIn: null }

it.each([
  [{ awaitsTurn: true }, 'Others are starting before it.'],
  [{ bootingFor: 4_400 }, 'It has been starting for 4 s, and has 30 s at most.'],
  [{ bootingFor: 20, limit: 500 }, 'It has been starting for 1 s, and has 1 s at most.'],
  [{ nextTryIn: 2_000 }, 'It had to stop, and is started again in 2 s.'],
  [{}, 'It finishes what it was doing before it starts again.'],
])('with %j: %s', (progress, text) => {
  expect(progressText({ ...quiet, ...progress })).toBe(text)
})
