import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findChromium, launch, PATIENCE } from './harness/browser.ts'
import { djangoProject, gunicornFor } from './harness/django.ts'
import { echoYaml } from './harness/echo.ts'
import { passwordOf, Project } from './harness/project.ts'
import { Running } from './harness/running.ts'

const chromium = findChromium()
const gunicorn = gunicornFor("Django's admin in one browser")

let browser: Browser
let context: BrowserContext
let page: Page
beforeAll(async () => {
  if (chromium !== undefined) browser = await launch(chromium)
})
beforeEach(async () => {
  context = await browser.newContext()
  page = await context.newPage()
  page.setDefaultTimeout(PATIENCE)
})
afterEach(() => context.close())
afterAll(() => browser?.close())

/** Opens a path and signs in on the way. */
async function signIn(url: string, user: string, path: string): Promise<void> {
  await page.goto(`${url}/_mux/signin?next=${encodeURIComponent(path)}`)
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(passwordOf(user))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL((found) => found.pathname === path)
}

describe.skipIf(chromium === undefined)('one browser, used by one person after the other', () => {
  let project: Project
  let running: Running
  beforeAll(async () => {
    project = await Project.create(
      echoYaml('{ django1: {}, django2: {}, shared: {} }', { fixture: 'remembering.mjs' }),
    )
    running = await Running.up(project)
    await project.addUser('graham', 'django1')
    await project.addUser('brian', 'django2')
    await project.addUser('eric', 'shared')
    await project.addUser('terry', 'shared')
  })
  afterAll(async () => {
    await running?.stop()
    await project?.remove()
  })

  const heading = () => page.textContent('h1')
  const received = async () =>
    JSON.parse(await page.evaluate<string>("fetch('/received').then((a) => a.text())"))
  const offline = () => page.evaluate<string>("fetch('/offline').then((answer) => answer.text())")
  const stored = () => page.evaluate<string | null>("localStorage.getItem('draft')")

  /** Leaves in the browser all that a page can. */
  async function leaveTraces(user: string): Promise<void> {
    await page.evaluate(`localStorage.setItem('draft', ${JSON.stringify(user)})`)
    await page.evaluate(
      "navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready)",
    )
    await page.reload()
    await expect.poll(offline).toContain(`kept for ${user}`)
  }

  async function expectNothingOf(user: string): Promise<void> {
    expect((await received()).cookie).not.toContain(user)
    expect(await page.evaluate<string>('document.cookie')).not.toContain(user)
    expect(await stored()).toBeNull()
    expect(await offline()).not.toContain(user)
  }

  it('gives the cookies of an instance back to it under their own names, and scripts those that are for them', async () => {
    await signIn(running.url, 'brian', '/')
    const { instance, cookie } = await received()
    expect(instance).toBe('django2')
    expect(cookie.split('; ').sort()).toEqual(['csrftoken=of-brian', 'sessionid=of-brian'])
    expect(await page.evaluate('document.cookie')).toBe('csrftoken=of-brian')
    const names = (await context.cookies(`${running.url}/deep`)).map(({ name }) => name).sort()
    expect(names).toEqual([
      '__Host-mux',
      'csrftoken',
      'depth',
      'mux~django2~brian~deep',
      'mux~django2~brian~sessionid',
    ])
  })

  it.each([
    ['graham', 'brian'],
    ['eric', 'terry'],
  ])('shows %s nothing of %s, whose session has ended', async (next, first) => {
    await signIn(running.url, first, '/')
    await leaveTraces(first)
    await project.must(['user', 'sign-out', first])
    await signIn(running.url, next, '/')
    expect(await heading()).toContain(`for ${next}`)
    await expectNothingOf(first)
    for (const path of ['/deep', '/deep/er']) {
      await page.goto(running.url + path)
      expect(await heading()).toContain(`for ${next}`)
      expect(await page.evaluate<string>('document.cookie')).not.toContain(first)
      expect((await received()).cookie).not.toContain(first)
    }
    expect(JSON.stringify(await context.cookies())).not.toContain(first)
  })

  it('keeps what it has for the same person, whose session had ended', async () => {
    await signIn(running.url, 'brian', '/')
    await page.evaluate("localStorage.setItem('draft', 'brian')")
    await project.must(['user', 'sign-out', 'brian'])
    await signIn(running.url, 'brian', '/')
    expect(await stored()).toBe('brian')
    expect((await received()).cookie).toContain('sessionid=of-brian')
  })

  it('has nothing left after signing out', async () => {
    await signIn(running.url, 'brian', '/')
    await leaveTraces('brian')
    await page.evaluate(`{
      const form = document.createElement('form')
      Object.assign(form, { method: 'post', action: '/_mux/signout' })
      document.body.append(form)
      form.submit()
    }`)
    await page.getByLabel('Password').waitFor()
    expect(await context.cookies()).toEqual([])
    await signIn(running.url, 'graham', '/')
    await expectNothingOf('brian')
  })
})

describe.skipIf(!chromium || !gunicorn)("Django's admin, in one browser", () => {
  let project: Project
  let running: Running
  beforeAll(async () => {
    project = await djangoProject(gunicorn!)
    const yaml = await project.read('mux.yaml')
    await project.write(
      'mux.yaml',
      yaml.replace('django1: {}', 'django1: { settings: { SUPERUSERS: graham } }'),
    )
    running = await Running.up(project)
    await project.addUser('graham', 'django1')
    await project.addUser('brian', 'django2')
  })
  afterAll(async () => {
    await running?.stop()
    await project?.remove()
  })

  async function addNote(text: string): Promise<void> {
    await page.goto(`${running.url}/admin/notes/note/add/`)
    await page.locator('textarea[name=text]').fill(text)
    await page.locator('input[name=_save]').click()
    await page.getByText('was added successfully').waitFor()
  }

  it('works for each of two people with the session and the CSRF token of their own', async () => {
    await signIn(running.url, 'brian', '/admin/')
    await page.getByText(/Welcome,\s*brian/i).waitFor()
    await addNote('a secret of brian')
    const cookies = await context.cookies()
    expect(cookies.find(({ name }) => name === 'mux~django2~brian~sessionid')).toMatchObject({
      httpOnly: true,
    })
    expect(cookies.map(({ name }) => name)).toContain('csrftoken')
    expect(cookies.map(({ name }) => name)).not.toContain('sessionid')

    await project.must(['user', 'sign-out', 'brian'])
    await signIn(running.url, 'graham', '/admin/')
    await page.getByText(/Welcome,\s*graham/i).waitFor()
    expect((await context.cookies()).filter(({ name }) => name.includes('brian'))).toEqual([])
    await addNote('a note of graham')
    await page.goto(`${running.url}/admin/notes/note/`)
    expect(await page.textContent('body')).toContain('a note of graham')
    expect(await page.textContent('body')).not.toContain('a secret of brian')
  })
})
