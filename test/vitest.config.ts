import { basename } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Those that wait longest, so that none of them is left alone at the end. */
const FIRST = [
  'conformance-two-hosts.test.ts',
  'conformance-worker.test.ts',
  'many-hosts.test.ts',
  'conformance-embedded.test.ts',
  'load.test.ts',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isFirst = ({ moduleId }: TestSpecification) => FIRST.includes(basename(moduleId))
    return [...sorted.filter(isFirst), ...sorted.filter((file) => !isFirst(file))]
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts'],
    sequence: { sequencer: LongestFirst },
    // Each file runs whole systems, which wait as much as they compute.
    maxWorkers: 4,
    // For what hangs: a machine that has much else to do is no fault of what is tested.
    testTimeout: 600_000,
    expect: { poll: { timeout: 120_000 } },
    hookTimeout: 600_000,
  },
})
