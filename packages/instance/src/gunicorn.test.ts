import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { define, laboratory, lives, nameOf, temporaryDirectory } from './fixtures/laboratory.ts'
import { findTool } from './program.ts'

/** That of the machine: one in somebody's home is of no use to other users. */
const gunicorn = ['/usr/bin/gunicorn', '/usr/local/bin/gunicorn'].find((path) => existsSync(path))
// CI installs it, so there its absence is a failure and not a reason.
if (gunicorn === undefined && process.env['CI']) throw new Error('not installed: gunicorn')

const APPLICATION = `
import json, os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"pid": os.getpid(), "uid": os.getuid(), "nice": os.nice(0)}).encode()]
`

const root = process.getuid?.() === 0 ? undefined : 'only root may start something as another user'
const sandbox = ['--unshare-pid', '--ro-bind', '/', '/', '--', 'true']
const bubblewrap = findTool('bwrap')
const contain =
  bubblewrap !== undefined && spawnSync(bubblewrap, sandbox).status === 0
    ? undefined
    : 'bubblewrap cannot make a sandbox here'
const absent = gunicorn === undefined ? 'gunicorn is not installed' : undefined

const BOUNDS = { nice: 2, umask: 0o027, limits: { files: 512, processes: 4_000, memory: 2 ** 30 } }
const USER = { user: '61005', group: '61005' }

describe('gunicorn with two workers starts, restarts and stops cleanly', () => {
  it.for([
    ['with limits', BOUNDS, absent],
    ['with a user of its own', USER, absent ?? root],
    ['in a sandbox', { ...(root ? {} : USER), sandbox: true }, absent ?? contain],
    ['with all of that', { ...BOUNDS, ...USER, sandbox: true }, absent ?? root ?? contain],
  ] as const)('%s', async ([, changes, obstacle], context) => {
    context.skip(obstacle !== undefined, obstacle)
    const directory = temporaryDirectory()
    chmodSync(directory, 0o755)
    writeFileSync(join(directory, 'application.py'), APPLICATION)
    const command = [gunicorn!, '--workers', '2', '--bind', 'unix:{socket}', 'application'] as const
    const { ask, events, status, supervisor, stateDirectory } = await laboratory([
      define('site1', 'serves', { command, directory, ...changes }),
    ])
    const log = () => readFileSync(join(stateDirectory, 'logs', 'site1.log'), 'utf8')
    const untilLogged = (words: RegExp, times: number) =>
      expect.poll(() => log().match(words)?.length).toBe(times)
    await ask('site1')
    // It serves with the first of its workers already.
    await untilLogged(/Booting worker/g, 2)
    const { oldPid, newPid } = await supervisor.restart(nameOf('site1'))
    await ask('site1')
    await untilLogged(/Booting worker/g, 4)
    await supervisor.stop(nameOf('site1'))
    expect([oldPid!, newPid].map(lives)).toEqual([false, false])
    const ends = events.filter(({ event }) => event === 'ended')
    expect(ends).toMatchObject([
      { by: 'us', killed: false, survivors: null },
      { by: 'us', killed: false, survivors: null },
    ])
    expect(status('site1')).toMatchObject({ state: 'stopped', crashes: 0 })
    await untilLogged(/Shutting down: Master/g, 2)
    expect(log().match(/Booting worker/g)).toHaveLength(4)
    expect(log()).not.toMatch(/Traceback|Error/)
  })
})
