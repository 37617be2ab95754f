/** The door for the commands by which the data of an instance leave and enter. */
export { ArchiveError, archiveData, unpackData } from './data-archive.ts'
export { HookError, type HookOptions, runHook } from './hook.ts'
export { hasGeneration } from './leftovers.ts'
export { repairDirectory } from './replace-directory.ts'
