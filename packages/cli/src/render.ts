import { styleText } from 'node:util'
import type { CliError } from './errors.ts'
import type { SettingsResult } from './operations/change-settings.ts'
import { printable } from './printable.ts'

/** One column of a table; what does not fit a narrow terminal is stacked instead of cut. */
export interface Column<Row> {
  header: string
  value: (row: Row) => string
  align?: 'left' | 'right'
}

const GAP = '  '

/**
 * Rows under headers. On a terminal that is too narrow for them, one block a row, label and value under each other;
 * into a pipe the table is as wide as it needs to be.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = terminalWidth(),
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))))
  const widths = columns.map((column, i) =>
    Math.max(column.header.length, ...cells.map((row) => row[i]!.length)),
  )
  const total = widths.reduce((sum, one) => sum + one, GAP.length * (columns.length - 1))
  if (total > width)
    return cells
      .map((row) =>
        fields(
          columns.map((column, i) => [column.header.toLowerCase(), row[i]!]),
          width,
        ),
      )
      .join('\n\n')
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (columns[i]!.align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(GAP)
      .trimEnd()
  return [strong(line(columns.map((column) => column.header.toUpperCase()))), ...cells.map(line)].join('\n')
}

/** Labels and their values, one pair a line, the values under each other, wrapped to a terminal that is narrow. */
export function fields(
  pairs: readonly (readonly [label: string, value: string])[],
  width = terminalWidth(),
): string {
  const column = Math.max(0, ...pairs.map(([label]) => label.length)) + GAP.length
  return pairs
    .map(([label, value]) => {
      const lines = wrap(printable(value), Math.max(width - column, 20))
      return `${label.padEnd(column)}${lines.join(`\n${' '.repeat(column)}`)}`.trimEnd()
    })
    .join('\n')
}

/** Breaks a text at its spaces; a word that is too long for a line stands in one of its own. */
function wrap(text: string, width: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A moment as people read it, in UTC to the minute; `-` for none. */
export function time(timestamp: string | null): string {
  return timestamp === null ? '-' : `${timestamp.slice(0, 16).replace('T', ' ')}Z`
}

/** Names after each other; `-` for none. */
export function list(names: readonly string[]): string {
  return names.length === 0 ? '-' : names.join(', ')
}

/** Milliseconds in the unit that gives a whole number, as mux.yaml has it. */
export function duration(milliseconds: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const
  const unit = units.find(([, size]) => milliseconds >= size && milliseconds % size === 0)
  return unit === undefined ? `${milliseconds}ms` : `${milliseconds / unit[1]}${unit[0]}`
}

/** Bytes as mux.yaml has them. */
export function size(bytes: number): string {
  return bytes % 2 ** 30 === 0 ? `${bytes / 2 ** 30}GiB` : `${bytes / 2 ** 20}MiB`
}

export function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
}

/** How long ago a moment was, in its largest unit: `45s`, `12m`, `3h`, `8d`. */
export function age(since: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(since)) / 1000))
  if (seconds < 120) return `${seconds}s`
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

/** A failure for people: the sentence and its code, what belongs to it, and what to do next. */
export function failure(error: CliError): string {
  const head = `${paint('red', 'error:')} ${printable(error.message)} ${paint('dim', `[${error.code}]`)}`
  const details = error.details.map((line) => `  ${printable(line)}`)
  const hint = error.hint === null ? [] : [`  ${printable(error.hint)}`]
  return [head, ...details, ...hint].join('\n')
}

/** A quiet line on what to do next. */
export function hint(text: string): string {
  return paint('dim', text)
}

/** What a change of settings came to, in one line or two. */
export function settingsChange(result: SettingsResult): string {
  const { instance, restarted, restartNeeded } = result
  if (!result.changed) return `${instance} has these settings already. Nothing was changed.`
  const saved = [
    ...(result.set.length > 0 ? [`set ${list(result.set)}`] : []),
    ...(result.unset.length > 0 ? [`unset ${list(result.unset)}`] : []),
  ].join(', ')
  if (restarted !== null)
    return `${instance}: ${saved}; restarted in ${restarted.took} ms (process ${restarted.newPid}).`
  return restartNeeded
    ? `${instance}: ${saved}; it runs with the old settings until: mux instance restart ${instance}`
    : `${instance}: ${saved}; it is not running, and its next start takes the change.`
}

function strong(text: string): string {
  return styleText('bold', text, { stream: process.stdout })
}

/** Colour for standard error, and only where it is a terminal that wants it. */
function paint(format: 'red' | 'dim', text: string): string {
  return styleText(format, text, { stream: process.stderr })
}

function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Infinity
}
