import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'

/** Markup whose interpolated values have been escaped. */
export type Markup = ReturnType<typeof html>

const STYLE = `
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --text: #1c2128; --quiet: #5b6573; --line: #c9d0d9; --field: #7d8794;
  --accent: #1f5fd0; --on-accent: #fff; --bad: #a8211f; --bad-back: #fdeeee }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --card: #1d2128; --text: #e8eaee; --quiet: #a2acb9;
  --line: #414a57; --field: #77828f; --accent: #7fb0ff; --on-accent: #0b1a33; --bad: #ffb3ae; --bad-back: #3a1f20 } }
* { box-sizing: border-box }
html { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Ubuntu, Cantarell, sans-serif; text-size-adjust: 100% }
body { margin: 0; min-height: 100vh; min-height: 100svh; display: grid; place-items: center; padding: 1.5rem 1rem;
  background: var(--page); color: var(--text) }
main { width: 100%; max-width: 24rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
h1 { margin: 0 0 1.25rem; font-size: 1.375rem; line-height: 1.3; font-weight: 650; text-wrap: balance; overflow-wrap: anywhere }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
main > :last-child { margin-bottom: 0 }
.quiet { color: var(--quiet); font-size: .875rem }
.id { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .8125rem; user-select: all }
.bad { padding: .625rem .75rem; border-radius: 8px; background: var(--bad-back); color: var(--bad) }
.brand { display: flex; align-items: center; gap: .75rem; margin: 0 0 1.25rem; font-weight: 600 }
.brand img { max-width: 8rem; height: 2.5rem; object-fit: contain }
label { display: block; margin-bottom: .3rem; font-weight: 550 }
[aria-invalid] { border-color: var(--bad) }
input { width: 100%; margin: 0 0 1rem; padding: .6rem .75rem; font: inherit; color: inherit; background: transparent;
  border: 1px solid var(--field); border-radius: 8px }
button, .button { display: block; width: 100%; margin: .5rem 0 0; padding: .65rem 1rem; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; color: var(--on-accent); background: var(--accent);
  border: 1px solid var(--accent); border-radius: 8px }
.button { margin-bottom: 1rem }
button.second { color: var(--text); background: transparent; border-color: var(--line) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
input:focus-visible { outline-offset: -1px }
form { margin: 0 0 1rem }
.button + form { margin-top: -.5rem }
.bar { height: 4px; margin: 0 0 1.25rem; border-radius: 2px; background: var(--line); overflow: hidden }
.bar::before { content: ""; display: block; width: 40%; height: 100%; background: var(--accent); animation: pass 1.4s ease-in-out infinite }
@keyframes pass { from { transform: translateX(-100%) } to { transform: translateX(250%) } }
@media (prefers-reduced-motion: reduce) { .bar::before { width: 100%; opacity: .5; animation: none } }
@media (max-width: 26rem) { main { padding: 1.5rem 1.25rem } }
`

// Put together here, where no formatter of templates adds a space that the hash would not match.
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`)

/**
 * The policy lets nothing in but the one style element above, by its hash, and images that are part of the page itself: no
 * script, no frame, no other site.
 */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  'img-src data:',
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

/** What every page of ours is answered with, whatever its status. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  // Not no-referrer: with that, browsers send forms with `Origin: null`, which proves nothing.
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

export function page(title: string, body: Markup, head: Markup | '' = ''): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        ${head}
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html> `
}
