import { defineConfig } from 'vitest/config'

// Real connections are waited for, on a machine that may have much else to do: these are for what hangs.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
