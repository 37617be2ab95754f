import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const PROGRAM = process.env['MUX_TEST_CHROMIUM'] ?? '/usr/bin/chromium'

/** For what does not come, and not for a machine that has much else to do, in milliseconds. */
export const PATIENCE = 120_000

/** The Chromium of this machine; undefined, with the reason printed, where there is none. */
export function findChromium(): string | undefined {
  if (existsSync(PROGRAM)) return PROGRAM
  // CI installs it, so there its absence is a failure and not a reason.
  if (process.env['CI']) throw new Error(`not installed: ${PROGRAM}`)
  process.stderr.write(`skipped: a real browser, since this machine lacks ${PROGRAM}\n`)
  return undefined
}

export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    timeout: PATIENCE,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
