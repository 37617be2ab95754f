import { resolve } from 'node:path'

/** Accents for the light and the dark page: each has at least 4.5:1 against the page and against its own text. */
export const COLORS = {
  blue: { light: '#1d5fbf', dark: '#8fbaff' },
  green: { light: '#1b7047', dark: '#7fd3a2' },
  plum: { light: '#87307f', dark: '#e3a3dd' },
  amber: { light: '#875100', dark: '#efbd6c' },
}

/**
 * Everything this application can be told, read once from the environment and frozen.
 * Throws one Error that names every unusable setting.
 */
export const readSettings = (env, args = []) => {
  const problems = []

  const address = args[0] ?? env.MUX_SOCKET ?? env.PORT
  if (!address) problems.push('where to listen: give a socket path or a port, or set MUX_SOCKET or PORT')

  const title = (env.TITLE ?? 'Notes').trim()
  if (title === '' || title.length > 60) problems.push('TITLE: 1 to 60 characters')

  const color = env.COLOR ?? 'blue'
  if (!Object.hasOwn(COLORS, color)) problems.push(`COLOR: one of ${Object.keys(COLORS).join(', ')}`)

  // A relative path is inside the instance's own directory: two instances never share a file by accident.
  const { DATABASE_NAME, MUX_DATA } = env
  const database =
    DATABASE_NAME || MUX_DATA ? resolve(MUX_DATA ?? '.', DATABASE_NAME || 'notes.sqlite') : undefined
  if (!database)
    problems.push('DATABASE_NAME: the path of the SQLite file, or MUX_DATA: the directory to put it in')

  if (problems.length > 0) throw new Error(`unusable settings\n  ${problems.join('\n  ')}`)

  return Object.freeze({
    listen: /^\d{1,5}$/.test(address) ? { host: '127.0.0.1', port: Number(address) } : { path: address },
    title,
    color,
    database,
    instance: env.MUX_INSTANCE ?? null,
  })
}
