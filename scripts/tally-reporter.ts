import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'
import { NO_REASON, type Tally } from './tally.ts'

/** The variable that names the file to write. */
export const TALLY_FILE = 'MUX_TALLY_FILE'

/** A vitest reporter that writes a {@link Tally} as JSON; unlike vitest's own JSON it knows why a test was skipped. */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const tally: Tally = { passed: 0, failed: 0, failures: [], skipped: [] }
    const fail = (where: string, [error]: readonly { message: string }[]) => {
      tally.failed++
      tally.failures.push(`${where}: ${String(error?.message).split('\n', 1)[0]}`)
    }
    for (const error of errors) fail('outside of any test', [error])
    for (const module of modules) {
      const file = module.relativeModuleId
      for (const error of module.errors()) fail(file, [error])
      for (const test of module.children.allTests()) {
        const result = test.result()
        const setUp = failedSetUp(test)
        if (result.state === 'passed') tally.passed++
        else if (result.state === 'failed') fail(`${file} > ${test.fullName}`, result.errors)
        else if (setUp.length > 0) fail(`${file} > ${test.fullName}`, setUp)
        else
          tally.skipped.push(`${test.fullName}: ${(result.state === 'skipped' && result.note) || NO_REASON}`)
      }
    }
    writeFileSync(process.env[TALLY_FILE]!, JSON.stringify(tally))
  }
}

/** Why a hook before a test failed, for which vitest calls the test skipped. */
function failedSetUp({ parent }: TestCase): readonly { message: string }[] {
  for (let suite = parent; ; suite = suite.parent) {
    if (suite.errors().length > 0 || suite.type === 'module') return suite.errors()
  }
}
