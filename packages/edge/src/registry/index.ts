/** The door for those who need the registry and no edge: a command that starts in a moment and ends in the next. */
export { hashPassword, PasswordError, verifyPassword } from '../passwords.ts'
export { parseStoredPassword, type PasswordKind } from '../stored-password.ts'
export { signOutEverywhere } from '../sign-out.ts'
export { createToken, parseToken, type NewToken } from '../tokens.ts'
export type { RegistryChange, RegistryReader, RegistryStore } from './registry.ts'
export { RegistryError } from './registry.ts'
export { openSqliteRegistry } from './sqlite.ts'
