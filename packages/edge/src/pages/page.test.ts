import { createHash } from 'node:crypto'
import { Problem, PROBLEMS, type ProblemCode } from '@mux/contract'
import { expect, test } from 'vitest'
import { errorPage } from './error.ts'
import { PAGE_HEADERS } from './page.ts'
import { signedInPage, signInPage } from './sign-in.ts'
import { startingPage } from './starting.ts'

const PAGES = {
  'the sign-in page': signInPage({ next: '/', user: 'graham', message: 'No.' }),
  'the page of one who is signed in': signedInPage({ next: '/', user: 'graham' }),
  'the starting page': startingPage(new Problem('instance_starting')),
  'an error page': errorPage(new Problem('no_instance'), 'id-1'),
}

test.each(Object.entries(PAGES))('%s keeps to its own policy', async (_title, page) => {
  const text = (await page).toString()
  const styles = [...text.matchAll(/<style>(.*?)<\/style>/gs)]
  expect(styles).toHaveLength(1)
  const hash = createHash('sha256').update(styles[0]![1]!).digest('base64')
  expect(PAGE_HEADERS['Content-Security-Policy']).toContain(`style-src 'sha256-${hash}'`)
  expect(text).not.toMatch(/<script|\sstyle=|\son[a-z]+=|<img|<link|@import|url\(|https?:/i)
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
