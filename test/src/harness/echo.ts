import { join } from 'node:path'
import { FIXTURES } from './project.ts'

/** The command of an instance that runs one of the fixtures, as YAML. */
export function fixtureCommand(name = 'echo.mjs'): string {
  return JSON.stringify([process.execPath, join(FIXTURES, name)])
}

/**
 * A mux.yaml of instances that run a fixture, the echo unless another is named.
 * @param settings what else each has for settings, beginning with a comma
 */
export function echoYaml(
  instances: string,
  { fixture, settings = '' }: { fixture?: string; settings?: string } = {},
): string {
  return `
app:
  command: ${fixtureCommand(fixture)}
  settings: { SOCKET: "{socket}"${settings} }
  health: /ping
  limits: { start: 10s, drain: 5s, stop: 2s, hold: 15s }
pool: { max: 8, name: "django{n}" }
edge: { listen: "127.0.0.1:0" }
instances: ${instances}
`
}
