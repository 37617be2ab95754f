import { styleText } from 'node:util'
import type { CliError } from './errors.ts'
import type { SettingsResult } from './operations/change-settings.ts'
import { printable } from './printable.ts'

/** One column of a table; what does not fit a narrow terminal is stacked instead of cut. */
export interface Column<Row> {
  header: string
  value: (row: Row) => string
  align?: 'left' | 'right'
  /** How it stands out on a terminal; undefined: not at all. */
  format?: (row: Row) => Format | undefined
}

export type Format = 'red' | 'yellow' | 'dim' | 'bold'

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
  const widths = widthsOf(columns, rows)
  if (totalOf(widths) > width)
    return cells
      .map((row) =>
        fields(
          columns.map((column, i) => [column.header.toLowerCase(), row[i]!]),
          width,
        ),
      )
      .join('\n\n')
  const line = (row: readonly string[], format: (column: Column<Row>) => Format | undefined) =>
    row
      .map((cell, i) => {
        const last = i === row.length - 1 && columns[i]!.align !== 'right'
        const filled = last
          ? cell
          : columns[i]!.align === 'right'
            ? cell.padStart(widths[i]!)
            : cell.padEnd(widths[i]!)
        return formatted(format(columns[i]!), filled)
      })
      .join(GAP)
  const head = columns.map((column) => column.header.toUpperCase())
  return [
    line(head, () => 'bold'),
    ...cells.map((row, at) => line(row, (column) => column.format?.(rows[at]!))),
  ].join('\n')
}

/** A table with as much in it as the terminal has room for: by the first of the layouts that fits, else by the last. */
export function fittingTable<Row>(
  layouts: readonly (readonly Column<Row>[])[],
  rows: readonly Row[],
  width = terminalWidth(),
): string {
  const fits = layouts.find((columns) => totalOf(widthsOf(columns, rows)) <= width)
  return table(fits ?? layouts.at(-1)!, rows, width)
}

function widthsOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number[] {
  return columns.map(({ header, value }) =>
    Math.max(header.length, ...rows.map((row) => printable(value(row)).length)),
  )
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1))
}

/** Labels and their values, one pair a line, the values under each other, wrapped to a terminal that is narrow. */
export function fields(
  pairs: readonly (readonly [label: string, value: string, format?: Format])[],
  width = terminalWidth(),
): string {
  const column = Math.max(0, ...pairs.map(([label]) => label.length)) + GAP.length
  return pairs
    .map(([label, value, format]) => {
      const lines = wrap(printable(value), Math.max(width - column, 20))
      const head = formatted(format, label) + ' '.repeat(column - label.length)
      return `${head}${lines.join(`\n${' '.repeat(column)}`)}`.trimEnd()
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
  return span(now - Date.parse(since))
}

/** When a moment comes: `in 45s`, or `now`. */
export function ahead(at: string, now = Date.now()): string {
  const left = Date.parse(at) - now
  return left < 500 ? 'now' : `in ${span(left + 500)}`
}

/** The time of day of a moment in UTC; the whole of it when it is not of these days. */
export function clock(at: string, now = Date.now()): string {
  const near = Math.abs(now - Date.parse(at)) < 12 * 3_600_000
  return near ? `${at.slice(11, 19)}Z` : time(at)
}

function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
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
  return paint('dim', printable(text))
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

/** For standard output, and only where it is a terminal that wants it. */
function formatted(format: Format | undefined, text: string): string {
  return format === undefined ? text : styleText(format, text, { stream: process.stdout })
}

/** Colour for standard error, and only where it is a terminal that wants it. */
function paint(format: 'red' | 'dim', text: string): string {
  return styleText(format, text, { stream: process.stderr })
}

function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Infinity
}
