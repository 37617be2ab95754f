import { defineConfig } from 'vitest/config'

// The tests run the built command line, several processes at a time: a busy machine takes its time for that.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    // They wait for what they run, mostly.
    maxWorkers: 2,
    testTimeout: 60_000,
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 60_000,
  },
})
