import { CliError } from './errors.ts'
import { nearest } from './nearest.ts'

/** Everything that is wrong with one mux.yaml, collected so that it is reported together. */
export class ConfigProblems {
  readonly #file: string
  readonly #found: { line: number; text: string }[] = []

  constructor(file: string) {
    this.#file = file
  }

  get count(): number {
    return this.#found.length
  }

  /** @param line counted from 1 */
  add(line: number, text: string): void {
    this.#found.push({ line, text })
  }

  wrong(line: number, path: string, given: string, expected: string): void {
    this.add(line, `${path} is ${given}; expected ${expected}`)
  }

  unknownKey(line: number, path: string, key: string, known: readonly string[]): void {
    const meant = nearest(key, known)
    const where = path === '' ? 'at the top' : `under ${path}`
    this.add(
      line,
      `${JSON.stringify(key)} is no key ${where}; ${meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${meant}?`}`,
    )
  }

  toError(): CliError {
    const lines = this.#found.toSorted((a, b) => a.line - b.line)
    const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`
    return new CliError('config_invalid', `${this.#file} has ${count}.`, {
      details: lines.map(({ line, text }) => `line ${line}: ${text}`),
      hint: 'Nothing was changed. Correct the file and try again.',
    })
  }
}
