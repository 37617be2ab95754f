import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'
import { NO_REASON, type Tally } from './tally.ts'

/** The variable that names the file to write. */
export const TALLY_FILE = 'MUX_TALLY_FILE'

/** A vitest reporter that writes a {@link Tally} as JSON; unlike vitest's own JSON it knows why a test was skipped. */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const tally: Tally = { passed: 0, failed: errors.length, skipped: [] }
    for (const module of modules) {
      tally.failed += module.errors().length
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') tally.passed++
        else if (result.state === 'failed' || isWithoutSetUp(test)) tally.failed++
        else
          tally.skipped.push(`${test.fullName}: ${(result.state === 'skipped' && result.note) || NO_REASON}`)
      }
    }
    writeFileSync(process.env[TALLY_FILE]!, JSON.stringify(tally))
  }
}

/** True for a test that vitest calls skipped because a hook before it failed. */
function isWithoutSetUp({ parent }: TestCase): boolean {
  for (let suite = parent; ; suite = suite.parent) {
    if (suite.errors().length > 0) return true
    if (suite.type === 'module') return false
  }
}
