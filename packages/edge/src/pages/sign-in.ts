import { html } from 'hono/html'
import { type Brand, brandMark } from './brand.ts'
import { page, type Markup } from './page.ts'

export interface SignInPageOptions {
  brand: Brand
  next: string
  user?: string
  /** Why the last attempt failed. */
  message?: string | undefined
}

export function signInPage({ brand, next, user = '', message }: SignInPageOptions): Markup {
  const failed = message !== undefined
  // Which of the two was wrong is not said, so both are.
  const wrong = failed ? html` aria-invalid="true" aria-describedby="message"` : ''
  return page(
    brand.name === undefined ? 'Sign in' : `Sign in · ${brand.name}`,
    html`${brandMark(brand)}
      <h1>Sign in</h1>
      ${failed ? html`<p class="bad" role="alert" id="message">${message}</p>` : ''}
      <form method="post" action="/_mux/signin">
        <input type="hidden" name="next" value="${next}" />
        <label for="username">User name</label>
        <input
          id="username"
          name="username"
          value="${user}"
          autocomplete="username"
          autocapitalize="none"
          autocorrect="off"
          spellcheck="false"
          maxlength="256"
          required${user === '' ? html` autofocus` : ''}${wrong}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          maxlength="1024"
          required${user === '' ? '' : html` autofocus`}${wrong}
        />
        <button>Sign in</button>
      </form>`,
  )
}

/** What one who is signed in already finds instead of the form. */
export function signedInPage({ brand, next, user }: { brand: Brand; next: string; user: string }): Markup {
  return page(
    brand.name === undefined ? 'Signed in' : `Signed in · ${brand.name}`,
    html`${brandMark(brand)}
      <h1>You are signed in as ${user}</h1>
      <a class="button" href="${next}">Continue</a>
      ${signOutForm()}`,
  )
}

export function signOutForm(): Markup {
  return html`<form method="post" action="/_mux/signout"><button class="second">Sign out</button></form>`
}
