import type { Problem } from '@mux/contract'
import { html } from 'hono/html'
import { page, type Markup } from './page.ts'
import { signOutForm } from './sign-in.ts'

/** A problem as a person meets it who opened a page. */
export function errorPage(problem: Problem, requestId: string): Markup {
  return page(
    problem.message,
    html`<h1>${problem.message}</h1>
      ${problem.detail === undefined ? '' : html`<p>${problem.detail}</p>`} ${wayOut(problem)}
      <p class="quiet">
        Error ${problem.status} · ${problem.code}<br /><span class="id">${requestId}</span>
      </p>`,
  )
}

/** What the person can do about it here. */
function wayOut(problem: Problem): Markup | '' {
  if (problem.code === 'unauthenticated') return html`<a class="button" href="/_mux/signin">Sign in</a>`
  if (problem.code === 'no_instance') return signOutForm()
  // An empty reference is the address of this very page, so the same is asked for again.
  if (problem.status >= 421) return html`<a class="button" href="">Try again</a>`
  return ''
}
