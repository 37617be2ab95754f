import type { Problem } from '@mux/contract'
import { html } from 'hono/html'
import { page, type Markup } from './page.ts'

/** Seconds between two tries of the page, when the host does not say. Each try is held a moment besides. */
const RELOAD_AFTER = 1

/** Stands in for an instance that boots, and asks for the same page again by itself. */
export function startingPage(problem: Problem): Markup {
  const seconds = Math.max(1, Math.ceil(problem.retryAfter ?? RELOAD_AFTER))
  return page(
    'Starting…',
    html`<div class="bar" role="progressbar" aria-label="Starting"></div>
      <h1>${problem.message}</h1>
      ${problem.detail === undefined ? '' : html`<p>${problem.detail}</p>`}
      <p class="quiet">This takes a few seconds. The page opens by itself as soon as it is ready.</p>`,
    html`<meta http-equiv="refresh" content="${seconds}" /> `,
  )
}
