import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { COLORS } from './settings.mjs'
import { LIST_LIMIT } from './store.mjs'
import { TEXT_LIMIT } from './requests.mjs'

const STYLE = readFileSync(new URL('style.css', import.meta.url), 'utf8')

// In one piece, since the policy holds the hash of exactly what stands between the tags.
const styleElement = (color) => raw(`<style>${styleFor(color)}</style>`)

const styleFor = (color) =>
  `:root{--accent:${COLORS[color].light}}` +
  `@media (prefers-color-scheme:dark){:root{--accent:${COLORS[color].dark}}}\n` +
  STYLE

/** The page's headers. No script at all may run, and no style but the one that this hash names. */
export const pageHeaders = (color) => ({
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(styleFor(color)).digest('base64')}'`,
    "img-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
})

/** Makes a tab tell its instance from another's at a glance. */
export const iconSvg = (color) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="${COLORS[color].light}"/>` +
  '<path d="M4 5.5h8M4 8.5h8M4 11.5h5" stroke="#fff" stroke-width="1.5" stroke-linecap="round"/></svg>\n'

/** The whole page. Everything that came from outside passes through `html`, which escapes it. */
export const pageHtml = ({ who, notes, problem }) =>
  String(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>${who.title}</title>
          <link rel="icon" href="/icon.svg" type="image/svg+xml" />
          ${styleElement(who.color)}
        </head>
        <body>
          <header>
            <h1>${who.title}</h1>
            ${signedIn(who)}
          </header>
          <main>
            ${problem ? html`<p class="problem" role="alert">${problem}</p>` : ''}
            <form class="add" method="post" action="/notes">
              <label for="text">New note</label>
              <textarea id="text" name="text" rows="3" maxlength="${TEXT_LIMIT}" required></textarea>
              <button class="primary">Add note</button>
            </form>
            <section aria-labelledby="list">
              <h2 id="list">${heading(who.notes)}</h2>
              ${notes.length === 0 ? html`<p class="empty">Nothing here yet. What you write goes into this instance’s own database.</p>` : ''}
              <ul class="notes">
                ${notes.map(noteItem)}
              </ul>
            </section>
          </main>
          <footer>
            <h2>Served by</h2>
            <dl>
              <div>
                <dt>Instance</dt>
                <dd>${who.instance ?? 'none (not run by mux)'}</dd>
              </div>
              <div>
                <dt>Database</dt>
                <dd>${shortPath(who.database)}</dd>
              </div>
              <div>
                <dt>Process</dt>
                <dd>${who.pid}</dd>
              </div>
              <div>
                <dt>Booted</dt>
                <dd>${time(who.booted)}</dd>
              </div>
            </dl>
          </footer>
        </body>
      </html>`,
  )

const signedIn = ({ user }) =>
  user === null
    ? html`<p class="who">Nobody is signed in</p>`
    : html`<form class="who" method="post" action="/_mux/signout">
        <span>Signed in as <strong>${user}</strong></span>
        <button>Sign out</button>
      </form>`

const heading = (total) => {
  if (total > LIST_LIMIT) return `The newest ${LIST_LIMIT} of ${total} notes`
  return total === 1 ? '1 note' : `${total} notes`
}

const noteItem = ({ id, text, author, created }) =>
  html` <li>
    <p class="text" dir="auto">${text}</p>
    <form method="post" action="/notes/${id}/delete">
      <span class="by">${author ?? 'nobody'}, ${time(created)}</span>
      <button aria-label="Delete the note “${text.slice(0, 40)}”">Delete</button>
    </form>
  </li>`

const time = (iso) => html`<time datetime="${iso}">${TIME.format(new Date(iso))}</time>`
const TIME = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
})

/** The file and its directory: enough to tell databases apart, without showing where things are on the machine. */
const shortPath = (path) => join(basename(dirname(path)), basename(path))

class Markup {
  constructor(text) {
    this.text = text
  }
  toString() {
    return this.text
  }
}

const raw = (text) => new Markup(text)

const html = (strings, ...values) =>
  new Markup(strings.reduce((text, string, i) => text + rendered(values[i - 1]) + string))

const rendered = (value) => {
  if (Array.isArray(value)) return value.map(rendered).join('')
  return value instanceof Markup
    ? value.text
    : String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}
