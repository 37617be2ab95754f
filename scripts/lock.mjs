// @ts-check
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE = 600_000

/**
 * Runs `work` while no other process does so under the same lock file. Waits ten minutes for the other one at most;
 * a lock whose owner is gone is taken over.
 * @param {string} file
 * @param {() => void} work
 */
export async function withLock(file, work) {
  const deadline = Date.now() + PATIENCE
  while (!claim(file)) {
    if (Date.now() > deadline) throw new Error(`${file} has been held by another process for ten minutes`)
    await sleep(100)
  }
  try {
    work()
  } finally {
    unlinkSync(file)
  }
}

/** @param {string} file */
function claim(file) {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
  }
  try {
    const owner = Number(readFileSync(file, 'utf8'))
    // Empty for the moment between its making and its first byte.
    if (owner > 0 && !isAlive(owner)) unlinkSync(file)
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') throw error
  }
  return false
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}
