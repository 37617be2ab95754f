import { defineConfig } from 'vitest/config'

// Most of them start a program or two, on a machine that may be busy.
export default defineConfig({ test: { include: ['*.test.ts'], testTimeout: 30_000 } })
