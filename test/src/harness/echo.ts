import { join } from 'node:path'
import { FIXTURES } from './project.ts'

/** The command of an instance that runs one of the fixtures, as YAML. */
export function fixtureCommand(name = 'echo.mjs'): string {
  return JSON.stringify([process.execPath, join(FIXTURES, name)])
}

interface EchoOptions {
  fixture?: string
  /** What else each has for settings, beginning with a comma. */
  settings?: string
  drain?: string
  /** What else stands under `edge`, beginning with a comma. */
  edge?: string
}

/** A mux.yaml of instances that run a fixture, the echo unless another is named. */
export function echoYaml(
  instances: string,
  { fixture, settings = '', drain = '20s', edge = '' }: EchoOptions = {},
): string {
  return `
app:
  command: ${fixtureCommand(fixture)}
  settings: { SOCKET: "{socket}"${settings} }
  health: /ping
  limits: { start: 60s, drain: ${drain}, stop: 2s, hold: 100s }
pool: { max: 8, name: "django{n}" }
edge: { listen: "127.0.0.1:0"${edge} }
instances: ${instances}
`
}
