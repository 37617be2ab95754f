import { defineConfig } from 'vitest/config'

// The tests run the built command line, several processes at a time, and some do so twenty times in a row: what a busy machine
// takes for that is no failure, and only what hangs comes near these limits.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    setupFiles: ['src/fixtures/plain-environment.ts'],
    // They wait for what they run, mostly.
    maxWorkers: 2,
    testTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
    hookTimeout: 180_000,
  },
})
