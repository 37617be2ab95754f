import { defineConfig } from 'vitest/config'

// Real connections are waited for, on a machine that may have much else to do.
export default defineConfig({
  test: { include: ['src/**/*.test.ts'], testTimeout: 20_000, expect: { poll: { timeout: 10_000 } } },
})
