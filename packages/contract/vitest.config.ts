import { defineConfig } from 'vitest/config'

// Nothing here keeps anything, so its files can share a process and what that has loaded.
export default defineConfig({ test: { include: ['src/**/*.test.ts'], isolate: false } })
