import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findChromium, launch, PATIENCE } from './harness/browser.ts'
import { fixtureCommand } from './harness/echo.ts'
import { notesProject } from './harness/notes.ts'
import { leave } from './harness/nothing-left.ts'
import { passwordOf, type Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

const chromium = findChromium()

describe.skipIf(chromium === undefined)('in a real browser', () => {
  let project: Project
  let running: Running
  let browser: Browser
  let contexts: BrowserContext[] = []

  beforeAll(async () => {
    project = await notesProject(
      (yaml) => `${yaml}
  slow:
    command: ${fixtureCommand()}
    settings: { BOOTS_ONCE: "{data}/may-boot" }
    limits: { start: 10m, hold: 10m }
`,
    )
    running = await Running.up(project)
    await project.addUser('graham', 'django1')
    await project.addUser('brian', 'django2')
    await project.addUser('sloth', 'slow')
    browser = await launch(chromium!)
  })
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()))
    contexts = []
  })
  afterAll(async () => {
    await browser?.close()
    await leave(project, running)
  })

  /** A page of a browser that has never been here. */
  async function visitor(): Promise<Page> {
    const context = await browser.newContext()
    contexts.push(context)
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE)
    return page
  }

  async function signIn(page: Page, user: string, password = passwordOf(user)): Promise<void> {
    await page.getByLabel('User name').fill(user)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }

  const path = (page: Page) => page.url().slice(new URL(page.url()).origin.length)

  it('a person signs in, is where they were going, in the instance that is theirs, and stays there', async () => {
    const page = await visitor()
    await page.goto(`${running.url}/notes?from=bookmark`)
    expect(new URL(page.url()).pathname).toBe('/_mux/signin')
    await signIn(page, 'brian')
    await page.getByRole('heading', { name: "Brian's notes" }).waitFor()
    expect(path(page)).toBe('/notes?from=bookmark')
    const text = await page.textContent('body')
    expect(text).toContain('Signed in as brian')
    expect(text).toContain('django2')

    await page.getByLabel('New note').fill('from a real browser')
    await page.getByRole('button', { name: 'Add note' }).click()
    await page.getByText('from a real browser').first().waitFor()
    await page.reload()
    await page.getByText('from a real browser').first().waitFor()
    expect(page.url()).not.toContain('brian')
  })

  it('a second person in another browser gets an instance of their own at the same URL', async () => {
    const [brian, graham] = [await visitor(), await visitor()]
    for (const [page, user] of [
      [brian, 'brian'],
      [graham, 'graham'],
    ] as const) {
      await page.goto(running.url)
      await signIn(page, user)
      await page.getByText(`Signed in as ${user}`).waitFor()
    }
    expect(await brian.textContent('footer')).toContain('django2')
    expect(await graham.textContent('footer')).toContain('django1')
    expect(await graham.textContent('body')).not.toContain('from a real browser')
    expect(brian.url()).toBe(graham.url())
  })

  it('a wrong password brings the form back with a message, and the right one still leads where one was going', async () => {
    const page = await visitor()
    await page.goto(`${running.url}/notes`)
    await signIn(page, 'brian', 'not the password')
    const alert = page.getByRole('alert')
    await alert.waitFor()
    expect(await alert.textContent()).toMatch(/do not go together/)
    expect(await page.getByLabel('User name').inputValue()).toBe('brian')
    expect(await page.getByLabel('Password').inputValue()).toBe('')
    await page.getByLabel('Password').fill(passwordOf('brian'))
    await page.keyboard.press('Enter')
    await page.getByText('Signed in as brian').waitFor()
    expect(path(page)).toBe('/notes')
  })

  it('one who signs out is asked again, also on the way back', async () => {
    const page = await visitor()
    await page.goto(running.url)
    await signIn(page, 'brian')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Password').waitFor()
    expect(await page.context().cookies()).toEqual([])
    await page.goto(running.url)
    await page.getByLabel('Password').waitFor()
    await page.goBack()
    expect(await page.textContent('body')).not.toContain('Signed in as')
  })

  it.each(['127.0.0.1', 'localhost'])(
    'the session cookie is kept and out of reach of scripts on http://%s',
    async (host) => {
      const page = await visitor()
      await page.goto(running.url.replace('127.0.0.1', host))
      await signIn(page, 'graham')
      await page.getByText('Signed in as graham').waitFor()
      expect(await page.context().cookies()).toMatchObject([
        { name: '__Host-mux', domain: host, path: '/', secure: true, httpOnly: true, sameSite: 'Lax' },
      ])
      expect(await page.evaluate('document.cookie')).toBe('')
    },
  )

  it('an instance that takes long to start shows a page that turns into the application by itself', async () => {
    const page = await visitor()
    await page.goto(`${running.url}/deep/link?x=1`)
    await signIn(page, 'sloth')
    await page.getByRole('heading', { name: /starting/i }).waitFor()
    expect(path(page)).toBe('/deep/link?x=1')
    await project.write('.mux/data/slow/may-boot', '')
    await page.getByText('"instance":"slow"').waitFor()
    expect(path(page)).toBe('/deep/link?x=1')
  })

  it('nothing on a page of ours offends its own policy', async () => {
    const page = await visitor()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    for (const target of ['/_mux/signin', '/_mux/signin?next=%2F%22%3E%3Cb%3E', '/_mux/nothing']) {
      await page.goto(running.url + target)
    }
    // A page that is not found is reported by the browser itself.
    expect(complaints.filter((text) => !text.includes('404'))).toEqual([])
  })
})
