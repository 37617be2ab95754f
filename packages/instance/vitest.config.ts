import { defineConfig } from 'vitest/config'

// Real processes are booted and ended: on a busy machine a test of a second takes several.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    // They wait for what they boot, mostly.
    maxWorkers: 2,
    testTimeout: 30_000,
    expect: { poll: { timeout: 15_000 } },
  },
})
