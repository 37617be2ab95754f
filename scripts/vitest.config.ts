import { defineConfig } from 'vitest/config'

// Most of them start a program or two, on a machine that may be busy; only what hangs comes near these limits.
export default defineConfig({
  test: { include: ['*.test.ts'], testTimeout: 120_000, expect: { poll: { timeout: 30_000 } } },
})
