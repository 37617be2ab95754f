import { join } from 'node:path'
import { FIXTURES } from './project.ts'

/** The command of an instance that runs one of the fixtures, as YAML. */
export function fixtureCommand(name = 'echo.mjs'): string {
  return JSON.stringify([process.execPath, join(FIXTURES, name)])
}

/** A mux.yaml of instances that echo; `instances` and what else is given stand under their keys as they are. */
export function echoYaml(
  instances: string,
  { fixture, settings = '', app = '' }: { fixture?: string; settings?: string; app?: string } = {},
): string {
  return `
app:
  command: ${fixtureCommand(fixture)}
  settings: { SOCKET: "{socket}"${settings} }
  health: /ping
  limits: { start: 10s, drain: 5s, stop: 2s, hold: 15s }
${app}
pool: { max: 8, name: "django{n}" }
edge: { listen: "127.0.0.1:0" }
instances: ${instances}
`
}
