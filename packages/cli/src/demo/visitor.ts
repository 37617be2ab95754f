/** The longest wait for one answer, in milliseconds; an instance's first start is inside it. */
const PATIENCE = 20_000

/** What the notes application says of itself. */
export interface WhoAmI {
  user: string | null
  instance: string
  database: string
  pid: number
}

/** One person with one way to sign in, at the one URL. */
export interface Visitor {
  name: string
  /** How this one signs in, for people. */
  way: string
  whoAmI(extraHeaders?: Record<string, string>): Promise<WhoAmI>
  addNote(text: string): Promise<void>
  /** The texts of all notes that this one can see. */
  notes(): Promise<string[]>
}

/** An answer other than the one that the demo counts on. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer'
  constructor(what: string, status: number) {
    super(`${what} was answered with ${status}.`)
  }
}

/** Sends name and password with each request, as a program would (RFC 7617). */
export function visitWithBasic(url: string, name: string, password: string): Visitor {
  return visitor(url, name, 'Basic credentials', { authorization: basic(name, password) })
}

/** Sends the sign-in form, as a browser would, and then the cookie that it was given. */
export async function visitWithForm(url: string, name: string, password: string): Promise<Visitor> {
  const answer = await send(url, '/_mux/signin', {
    method: 'POST',
    body: new URLSearchParams({ username: name, password, next: '/' }),
    headers: { origin: new URL(url).origin, accept: 'text/html' },
  })
  const cookie = answer.headers.getSetCookie()[0]?.split(';', 1)[0]
  if (answer.status !== 303 || cookie === undefined) {
    throw new UnexpectedAnswer(`The sign-in form of ${name}`, answer.status)
  }
  return visitor(url, name, 'the sign-in page', { cookie })
}

/** The status of a request for the first page with these headers, whoever they make it. */
export async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  return (await send(url, '/', { headers })).status
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

function visitor(url: string, name: string, way: string, headers: Record<string, string>): Visitor {
  async function json(path: string, expected: number, init: RequestInit = {}): Promise<unknown> {
    const all = { ...headers, ...(init.headers as Record<string, string> | undefined) }
    const answer = await send(url, path, { ...init, headers: all })
    if (answer.status !== expected)
      throw new UnexpectedAnswer(`${init.method ?? 'GET'} ${path}`, answer.status)
    return JSON.parse(answer.body)
  }
  return {
    name,
    way,
    whoAmI: async (extra = {}) => (await json('/whoami', 200, { headers: extra })) as WhoAmI,
    addNote: async (text) => {
      const body = JSON.stringify({ text })
      await json('/notes', 201, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    },
    notes: async () => {
      const { notes } = (await json('/notes', 200)) as { notes: { text: string }[] }
      return notes.map((note) => note.text)
    },
  }
}

async function send(url: string, path: string, init: RequestInit) {
  const answer = await fetch(new URL(path, url), {
    ...init,
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE),
  })
  return { status: answer.status, headers: answer.headers, body: await answer.text() }
}
