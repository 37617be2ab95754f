import { html } from 'hono/html'
import { page, type Markup } from './page.ts'

/** @param message why the last attempt failed */
export function signInPage(options: { next: string; user?: string; message?: string | undefined }): Markup {
  const { next, user = '', message } = options
  const failed = message !== undefined
  return page(
    'Sign in',
    html`<h1>Sign in</h1>
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
          required${user === '' ? html` autofocus` : ''}
        />
        <label for="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autocomplete="current-password"
          maxlength="1024"
          required${user === '' ? '' : html` autofocus`}${failed ? html` aria-describedby="message"` : ''}
        />
        <button>Sign in</button>
      </form>`,
  )
}

/** What one who is signed in already finds instead of the form. */
export function signedInPage(options: { next: string; user: string }): Markup {
  return page(
    'Signed in',
    html`<h1>You are signed in as ${options.user}</h1>
      <a class="button" href="${options.next}">Continue</a>
      ${signOutForm()}`,
  )
}

export function signOutForm(): Markup {
  return html`<form method="post" action="/_mux/signout"><button class="second">Sign out</button></form>`
}
