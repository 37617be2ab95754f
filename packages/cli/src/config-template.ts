import { stringify } from 'yaml'
import type { Application, SuggestedSetting } from './operations/recognise.ts'

/** The text of a first mux.yaml, for an application and some instances of it. */
export function configTemplate(application: Application, instances: readonly string[]): string {
  return `# How mux runs this application: one URL for everybody, and an instance of it for each person.
# Change this by hand, or let mux do it (mux instance set ${instances[1]} NAME=VALUE): your comments stay.

# What every instance runs; an instance below may override any of it.
app:
  # ${application.comment}
  command: ${commandText(application.command)}
  directory: .
  # Environment variables; the application sees these and little else. {data} is the instance's own directory, which is
  # kept when it is restarted.
  settings:
${application.settings.map(settingText).join('\n')}
  # It is ready when this path answers, and not before. Without it, accepting a connection is enough.
  # health: /
  # lazy: started by its first request; eager: as soon as mux starts.
  boot: lazy
  # overlap: the new process starts beside the old one, then takes over; replace: first the old one is stopped.
  restart: overlap
  # Stopped after this long without a request, and started by the next one; off: never.
  idle: 30m

pool:
  # So many instances run at once on this machine, at most.
  max: 8
  # How "mux user add NAME" names the instance that it makes for a new person.
  name: ${application.prefix}{n}

edge:
  # The one address that everybody opens.
  listen: 127.0.0.1:8080
  # The header in which the application is told who is signed in. mux takes it out of what comes in from outside.
  # ${application.identity}
  identity_header: X-Remote-User

# Whose is whose is not written here: mux user add brian --instance ${instances[1]}
instances:
${instances.map((name) => `  ${name}: {}`).join('\n')}
`
}

function settingText({ name, value, comment }: SuggestedSetting): string {
  const line = `    ${name}: ${stringify(value, { lineWidth: 0 }).trimEnd()}`
  return comment === null ? line : `    # ${comment}\n${line}`
}

function commandText(words: readonly string[]): string {
  const plain = words.every((word) => /^[\w@%+=:,./{}-]+$/.test(word)) && /^[\w./]/.test(words[0]!)
  return plain ? words.join(' ') : `[${words.map((word) => JSON.stringify(word)).join(', ')}]`
}
