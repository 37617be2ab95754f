import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    // Each file runs whole systems, which wait as much as they compute.
    maxWorkers: 4,
    // Generous, since a machine that has much else to do is no fault of what is tested.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
