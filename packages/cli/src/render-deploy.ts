import type { Step, StepOutcome } from './operations/deploy-steps.ts'
import { printable } from './printable.ts'

const WORDS: Record<StepOutcome, string> = {
  ok: 'ok',
  done: 'done',
  planned: 'would',
  attention: 'look',
}
const WORD_WIDTH = 5
const STEP_WIDTH = 9

/** What a step of a deployment has come to, in one line. */
export function deployStep({ step, outcome, detail }: Step): string {
  return `${WORDS[outcome].padEnd(WORD_WIDTH)}  ${step.padEnd(STEP_WIDTH)}  ${printable(detail)}`
}
