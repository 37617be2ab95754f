import { type Answer, ask } from './client.ts'
import { passwordOf } from './project.ts'

export interface SignIn {
  username: string
  /** The usual one of these tests if absent. */
  password?: string
  next?: string
  /** Besides those of a form of the same site, or in their place; one that is empty is left out. */
  headers?: Record<string, string>
}

/** Sends the form of the sign-in page, as that page would. */
export async function signIn(
  url: string,
  { username, password = passwordOf(username), next = '/', headers = {} }: SignIn,
): Promise<Answer & { cookie: string }> {
  const body = new URLSearchParams({ username, password, next }).toString()
  const answer = await ask(url, '/_mux/signin', { method: 'POST', headers: formHeaders(url, headers), body })
  return { ...answer, cookie: answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '' }
}

export function signOut(url: string, headers: Record<string, string>): Promise<Answer> {
  return ask(url, '/_mux/signout', { method: 'POST', headers: formHeaders(url, headers), body: 'a=b' })
}

function formHeaders(url: string, headers: Record<string, string>): Record<string, string> {
  const { origin, host } = new URL(url)
  const all = { 'content-type': 'application/x-www-form-urlencoded', origin, host, ...headers }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
}
