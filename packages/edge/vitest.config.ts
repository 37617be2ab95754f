import { defineConfig } from 'vitest/config'

// Passwords are really hashed, which takes its time on a busy machine.
export default defineConfig({
  test: { include: ['src/**/*.test.ts'], testTimeout: 20_000, expect: { poll: { timeout: 10_000 } } },
})
