import { defineConfig } from 'vitest/config'

// Real processes are booted and ended: on a busy machine a test of a second takes many. These are for what hangs.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    // They wait for what they boot, mostly.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
