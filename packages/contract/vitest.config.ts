import { defineConfig } from 'vitest/config'

// Nothing here keeps anything, so its files can share a process and what that has loaded. The limit is for what hangs.
export default defineConfig({ test: { include: ['src/**/*.test.ts'], isolate: false, testTimeout: 60_000 } })
