import { html } from 'hono/html'
import type { Markup } from './page.ts'

/** As whose site the sign-in page shows itself. */
export interface Brand {
  name?: string | undefined
  /** A `data:` URL of an image. */
  logo?: string | undefined
}

/** An image that stands in for what a page is about; without it, and without a name, there is nothing to show. */
export function brandMark({ name, logo }: Brand): Markup | '' {
  if (name === undefined && logo === undefined) return ''
  return html`<p class="brand">
    ${logo === undefined ? '' : html`<img src="${logo}" alt="" />`}${
      name === undefined ? '' : html`<span>${name}</span>`
    }
  </p>`
}
