import { createHash } from 'node:crypto'
import { Problem, PROBLEMS, type ProblemCode } from '@mux/contract'
import { expect, test } from 'vitest'
import { errorPage } from './error.ts'
import { PAGE_HEADERS } from './page.ts'
import { signedInPage, signInPage } from './sign-in.ts'
import { startingPage } from './starting.ts'

const BRAND = { name: 'Python & friends', logo: 'data:image/png;base64,AAAA' }

const PAGES = {
  'the sign-in page': signInPage({ brand: {}, next: '/', user: 'graham', message: 'No.' }),
  'the page of one who is signed in': signedInPage({ brand: {}, next: '/', user: 'graham' }),
  'the sign-in page of a site with a name': signInPage({ brand: BRAND, next: '/' }),
  'the starting page': startingPage(new Problem('instance_starting')),
  'an error page': errorPage(new Problem('no_instance'), 'id-1'),
}

test.each(Object.entries(PAGES))('%s keeps to its own policy', async (_title, page) => {
  const text = (await page).toString()
  const styles = [...text.matchAll(/<style>(.*?)<\/style>/gs)]
  expect(styles).toHaveLength(1)
  const hash = createHash('sha256').update(styles[0]![1]!).digest('base64')
  expect(PAGE_HEADERS['Content-Security-Policy']).toContain(`style-src 'sha256-${hash}'`)
  expect(text).not.toMatch(
    /<script|\sstyle=|\son[a-z]+=|<img(?! src="data:image\/)|<link|@import|url\(|https?:/i,
  )
})

test('the sign-in page shows whose it is, as text and as an image that is part of it', async () => {
  const text = (await PAGES['the sign-in page of a site with a name']).toString()
  expect(text).toContain('<title>Sign in · Python &amp; friends</title>')
  expect(text).toContain('<span>Python &amp; friends</span>')
  expect(text).toContain('<img src="data:image/png;base64,AAAA" alt="" />')
  expect((await PAGES['the page of one who is signed in']).toString()).not.toContain('brand"')
})

test('the message of a sign-in that failed belongs to both fields', async () => {
  const text = (await PAGES['the sign-in page']).toString()
  expect(text.match(/<input\b[^>]*aria-invalid="true"[^>]*aria-describedby="message"/g)).toHaveLength(2)
  expect(text).toContain('<p class="bad" role="alert" id="message">No.</p>')
})

test('the policy lets no script run, no other site frame us, and no form go elsewhere', () => {
  const policy = PAGE_HEADERS['Content-Security-Policy']
  for (const part of [
    "default-src 'none'",
    "frame-ancestors 'none'",
    "form-action 'self'",
    "base-uri 'none'",
  ]) {
    expect(policy).toContain(part)
  }
  expect(policy).not.toMatch(/unsafe|\*/)
  expect(PAGE_HEADERS['Cache-Control']).toBe('no-store')
})

test.each(Object.keys(PROBLEMS) as ProblemCode[])(
  'the page for %s says what is known and nothing more',
  async (code) => {
    const text = (
      await errorPage(new Problem(code, { detail: '<b>', cause: new Error('/srv/secret') }), 'id-1')
    ).toString()
    expect(text).toContain(`<h1>${PROBLEMS[code].title}</h1>`)
    expect(text).toContain('&lt;b&gt;')
    expect(text).toContain('id-1')
    expect(text).not.toContain('/srv')
  },
)

test('the starting page says how far it has come', async () => {
  const problem = new Problem('instance_starting', { detail: 'It has been starting for 4 s.' })
  expect((await startingPage(problem)).toString()).toContain('<p>It has been starting for 4 s.</p>')
})

test.each([
  [undefined, 1],
  [0, 1],
  [0.2, 1],
  [3, 3],
])('the starting page told to wait %s s reloads after %d', async (retryAfter, seconds) => {
  const problem = new Problem('instance_starting', retryAfter === undefined ? {} : { retryAfter })
  expect((await startingPage(problem)).toString()).toContain(
    `<meta http-equiv="refresh" content="${seconds}" />`,
  )
})
