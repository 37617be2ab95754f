/** What a run of tests came to. */
export interface Tally {
  passed: number
  failed: number
  /** Which tests did not pass, and what each said first; what fails otherwise is in none of them. */
  failures: string[]
  /** One sentence each: which test, and why. */
  skipped: string[]
}

export function sum(tallies: Tally[]): Tally {
  return {
    passed: tallies.reduce((total, tally) => total + tally.passed, 0),
    failed: tallies.reduce((total, tally) => total + tally.failed, 0),
    failures: tallies.flatMap((tally) => tally.failures),
    skipped: tallies.flatMap((tally) => tally.skipped),
  }
}

/** The last line of `npm test`; other programs read it. */
export function lastLine({ passed, failed, skipped }: Omit<Tally, 'failures'>): string {
  return `${passed} passed, ${failed} failed${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}`
}

/** What stands in place of the reason of a test that was skipped without one. */
export const NO_REASON = 'no reason given'

/**
 * The lines that tell what was skipped and why. A file that skips a whole part prints its reason itself, in a line that
 * begins with "skipped"; its tests, which know none, are then not listed one by one.
 */
export function skipLines({ skipped }: Tally, output: string): string[] {
  const said = new Set(Array.from(output.matchAll(/^skipped\b.*$/gm), ([line]) => line))
  const listed = skipped.filter((reason) => said.size === 0 || !reason.endsWith(NO_REASON))
  return [...said, ...listed.map((reason) => `skipped: ${reason}`)]
}

/** Reads what `node --test --test-reporter=tap` prints; `undefined` if it did not get to its end. */
export function readTap(output: string): Tally | undefined {
  const count = (name: string) =>
    Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? Number.NaN)
  const passed = count('pass')
  const failed = count('fail') + count('cancelled')
  if (Number.isNaN(passed + failed)) return undefined
  const skipped = [...output.matchAll(/^\s*ok \d+ - (.*?) # (?:SKIP|TODO)(.*)$/gm)].map(
    ([, title, reason]) => `${title}:${reason || ` ${NO_REASON}`}`,
  )
  const failures = Array.from(
    output.matchAll(/^\s*not ok \d+ - (?!.* # (?:SKIP|TODO))(.*)$/gm),
    ([, title]) => title!,
  )
  return { passed, failed, failures, skipped }
}

/** Reads what `python3 -m unittest -v` prints; `undefined` if it did not get to its end. */
export function readUnittest(output: string): Tally | undefined {
  const ran = /^Ran (\d+) tests? in /m.exec(output)
  const verdict = /^(?:OK|FAILED)(?: \((.*)\))?$/m.exec(output)
  if (!ran || !verdict) return undefined
  const count = (name: string) => Number(new RegExp(`\\b${name}=(\\d+)`).exec(verdict[1] ?? '')?.[1] ?? 0)
  const failed = count('failures') + count('errors') + count('unexpected successes')
  const skipped = [...output.matchAll(/^(.*?)(?: \(.*\))? \.\.\. skipped ['"](.*)['"]$/gm)].map(
    ([, title, reason]) => `${title}: ${reason}`,
  )
  const failures = Array.from(output.matchAll(/^(?:FAIL|ERROR): (.*)$/gm), ([, title]) => title!)
  return { passed: Number(ran[1]) - failed - count('skipped'), failed, failures, skipped }
}
