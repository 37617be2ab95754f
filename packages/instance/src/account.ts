import { execFile } from 'node:child_process'
import { findTool } from './program.ts'
import { SettingsError } from './settings.ts'

/** Under which user and group a program runs, by number. */
export interface Account {
  uid: number
  gid: number
}

/** Milliseconds that the machine's directory of accounts, which may be on the network, may take to answer. */
const LOOKUP_LIMIT = 10_000
const NUMBER = /^\d+$/
/** The status of getent(1) for a name that there is not. */
const NOT_FOUND = 2

/**
 * The account of these names, or numbers. The group is the user's own where none is given.
 * @throws {SettingsError} naming `user` or `group`, for what there is not and for what is root's
 */
export async function findAccount(user: string, group: string | null): Promise<Account> {
  const found = await entryOf('user', 'passwd', user)
  const uid = numberOf('user', user, found?.[2])
  if (group !== null)
    return { uid, gid: numberOf('group', group, (await entryOf('group', 'group', group))?.[2]) }
  if (found) return { uid, gid: numberOf('group', `that of ${user}`, found[3]) }
  throw new SettingsError(
    `group: user ${user} has no account here that would tell its group, so it takes one.`,
  )
}

function numberOf(field: string, text: string, found: string | undefined): number {
  const number = found ?? (NUMBER.test(text) ? text : undefined)
  if (number === undefined) throw new SettingsError(`${field}: there is no ${text} on this machine.`)
  if (Number(number) === 0)
    throw new SettingsError(`${field}: ${text} is root's, which nothing is kept from.`)
  return Number(number)
}

/** The fields of an entry; undefined when there is none. */
async function entryOf(field: string, database: string, key: string): Promise<string[] | undefined> {
  const getent = findTool('getent')
  if (getent === undefined) {
    if (NUMBER.test(key)) return undefined
    throw new SettingsError(
      `${field}: it takes getent to find ${key}, which is not installed; give its number.`,
    )
  }
  return new Promise((resolve, reject) => {
    execFile(getent, [database, key], { timeout: LOOKUP_LIMIT, env: {} }, (error, output) => {
      if (!error) resolve(output.trim().split(':'))
      else if (error.code === NOT_FOUND) resolve(undefined)
      else
        reject(new Error(`The accounts of this machine could not be read to find ${key}.`, { cause: error }))
    })
  })
}
