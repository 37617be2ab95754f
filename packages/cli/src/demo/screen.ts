import { styleText } from 'node:util'
import type { Person, Shown } from './proof.ts'

/** The demo's lines, for a terminal of 80 columns. */
export interface Screen {
  opening(url: string, directory: string, taken: readonly number[]): string
  step(shown: Shown): string
  closing(options: { url: string; directory: string; mux: string; people: readonly Person[] }): string
  verdict(): string
}

const HEADINGS: Record<Shown['step'], string> = {
  served: 'Each signs in at the same URL, adds a note, and sees only their own',
  refused: 'Whoever is not known is kept out, and nobody can pose as somebody else',
  disguised: 'Whoever is not known is kept out, and nobody can pose as somebody else',
  restarted: "brian's instance is restarted while the others read in a loop",
  kept: "brian's instance is restarted while the others read in a loop",
}

export function createScreen(): Screen {
  let heading: string | undefined
  return {
    opening: (url, directory, taken) =>
      [
        bold('One URL, three people, three instances of one application'),
        '',
        `  URL        ${bold(url)}${takenText(taken)}`,
        `  directory  ${directory}`,
      ].join('\n'),
    step: (shown) => {
      const next = HEADINGS[shown.step]
      const before = next === heading ? '' : `\n${bold(next)}\n\n`
      heading = next
      return `${before}  ${styleText('green', '✓')} ${describe(shown)}`
    },
    closing: ({ url, directory, mux, people }) =>
      [
        '',
        bold('Sign in yourself'),
        '',
        `  ${bold(url)}`,
        '',
        ...people.map(({ name, password }) => `  ${column(name)} ${bold(password)}`),
        '',
        bold('Try this in a second terminal'),
        '',
        `  export MUX_PROJECT=${directory}`,
        `  ${mux} status`,
        `  ${mux} user add eric --generate`,
        `  ${mux} instance set django2 COLOR=amber`,
        `  ${mux} instance logs django2 -f`,
        '',
        dim('Ctrl-C ends the demo and leaves nothing behind.'),
      ].join('\n'),
    verdict: () => '\nAll of it held, and nothing is left behind.',
  }
}

function takenText(taken: readonly number[]): string {
  if (taken.length === 0) return ''
  return dim(
    taken.length === 1 ? `   (${taken[0]} is taken)` : `   (${taken[0]} to ${taken.at(-1)} are taken)`,
  )
}

function describe(shown: Shown): string {
  switch (shown.step) {
    case 'served': {
      const { name, who, way, notes } = shown
      return `${column(name)} ${who.instance}  pid ${pid(who.pid)}  ${dim(way.padEnd(17))}  “${notes.join('”, “')}”`
    }
    case 'refused':
      return `${shown.what.padEnd(42)} ${shown.status}`
    case 'disguised':
      return `${`${shown.name}, with headers that say ${shown.as}`.padEnd(42)} still ${shown.who.user}, by ${shown.who.instance}`
    case 'restarted': {
      const { name, report, reads } = shown
      const others = `${column('others')} ${reads.served} requests served, ${bold(`${reads.failed} failed`)}, the slowest in ${Math.ceil(reads.slowest)} ms`
      return [
        `${column(name)} ${report.instance}  pid ${report.oldPid} → ${bold(String(report.newPid))} in ${Math.round(report.took)} ms`,
        `  ${styleText('green', '✓')} ${others}`,
      ].join('\n')
    }
    case 'kept':
      return `${column(shown.name)} ${shown.who.instance}  pid ${shown.who.pid}  still has “${shown.notes.join('”, “')}”`
    default:
      return shown satisfies never
  }
}

function column(name: string): string {
  return name.padEnd(9)
}

function pid(value: number): string {
  return String(value).padEnd(7)
}

function bold(text: string): string {
  return styleText('bold', text)
}

function dim(text: string): string {
  return styleText('dim', text)
}
