import { defineConfig } from 'vitest/config'

// Passwords are really hashed, and workerd and wrangler really started, which takes its time on a busy machine; only what
// hangs comes near these limits.
export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
  },
})
