import { spawn } from 'node:child_process'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { NAMESPACE, TOKEN } from '../../packages/edge/src/registry/fixtures/kv-rest.ts'
import { type Cloudflare, type CloudflareFault, startCloudflare } from './harness/cloudflare.ts'
import { type Host, startHost } from './harness/host.ts'
import { conformanceYaml, LEDGER } from './harness/layout.ts'
import { leave } from './harness/nothing-left.ts'
import { basic, FIXTURES, muxCommand, type Outcome, Project } from './harness/project.ts'
import { readRecords } from './harness/registry.ts'
import { until } from './harness/until.ts'

const DOMAIN = 'mux.example.test'

let cloudflare: Cloudflare
let project: Project
let host: Host
let environment: Record<string, string>

beforeAll(async () => {
  cloudflare = await startCloudflare()
  project = await Project.create('')
  await project.write('mux.yaml', `# of the circus\n${conformanceYaml(project.path(LEDGER))}`)
  host = await startHost(project)
  // From this, the key of the host is derived.
  await writeFile(project.path('.mux/keys/edge.key'), `${host.edgeKey.toString('base64')}\n`, { mode: 0o600 })
  await project.addUser('brian', 'django1')
  environment = {
    CLOUDFLARE_API_BASE_URL: cloudflare.url,
    CLOUDFLARE_API_TOKEN: TOKEN,
    AT_CLOUDFLARE: cloudflare.front,
    NODE_OPTIONS: `--import=${join(FIXTURES, 'at-cloudflare.mjs')}`,
    // Where wrangler would keep what it likes.
    HOME: project.path('.mux/home'),
  }
})
afterAll(async () => {
  await leave(project, host.running)
  await cloudflare.close()
})
beforeEach(() => {
  cloudflare.asked.length = 0
  cloudflare.kv.asked.length = 0
  cloudflare.fault = () => undefined
})

const deploy = async (args: string[] = [], env: Record<string, string> = {}): Promise<Outcome> => {
  const outcome = await project.run(['deploy', ...args], { env: { ...environment, ...env } })
  for (const secret of await secrets()) expect(outcome.stdout + outcome.stderr).not.toContain(secret)
  return outcome
}
/** Of each step that was taken, what came of it. */
const outcomes = ({ json }: Outcome) =>
  Object.fromEntries(
    (json() as { steps: { step: string; outcome: string }[] }).steps.map(({ step, outcome }) => [
      step,
      outcome,
    ]),
  )
const keyOf = async (name: string) =>
  (await readFile(project.path(`.mux/keys/${name}.key`), 'utf8').catch(() => '')).trim()
const secrets = async () => [TOKEN, await keyOf('edge'), await keyOf('session')].filter((text) => text !== '')
const worker = () => [...cloudflare.workers.keys()].find((name) => !name.endsWith('-staging'))!
const bindings = (name = worker()) =>
  Object.fromEntries(cloudflare.current(name).metadata.bindings.map((one) => [one.name, one]))
const get = (path: string) =>
  fetch(`${cloudflare.front}/${DOMAIN}${path}`, { headers: { authorization: basic('brian') } })

describe('a dry run', () => {
  it('says all that would be done, and does none of it', async () => {
    const ended = await deploy(['--domain', DOMAIN, '--dry-run', '--json'])
    expect(ended).toMatchObject({ code: 0 })
    expect(outcomes(ended)).toEqual({
      wrangler: 'ok',
      settings: 'planned',
      hosts: 'ok',
      account: 'ok',
      domain: 'ok',
      keys: 'planned',
      namespace: 'planned',
      registry: 'planned',
      worker: 'planned',
      'mux.yaml': 'planned',
    })
    expect(cloudflare.changes()).toEqual([])
    expect(cloudflare.kv.asked).toEqual([])
    expect(await readdir(project.directory)).not.toContain('wrangler.jsonc')
    expect(await keyOf('session')).toBe('')
  })

  it('needs no API token, and says that nothing was looked at with one', async () => {
    const ended = await deploy(['--domain', DOMAIN, '--dry-run', '--json'], {
      CLOUDFLARE_API_TOKEN: '',
      PATH: '/usr/bin:/bin',
    })
    expect(ended).toMatchObject({ code: 0 })
    expect(outcomes(ended)).toMatchObject({ account: 'attention', namespace: 'planned', worker: 'planned' })
    expect(cloudflare.asked).toEqual([])
  })
})

it('does not begin before it is known where to serve, and under which name', async () => {
  const ended = await deploy()
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('--domain mux.example.com') })
  expect(await deploy(['--env', '../x', '--domain', DOMAIN])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--env is "../x"'),
  })
  expect(cloudflare.asked).toEqual([])
})

/** What wrangler does last, when the code is there. */
const place = /^PUT .*\/domains\/records$/

describe('a deployment that breaks off', () => {
  const denied = {
    status: 403,
    body: JSON.stringify({
      success: false,
      errors: [{ code: 10000, message: `Authentication error of ${TOKEN}` }],
      messages: [],
      result: null,
    }),
  }
  const upload = 'PUT /accounts/:account/workers/scripts/'

  it.each<[string, string, CloudflareFault, string, string, number]>([
    ['the account', 'GET /accounts', { status: 401 }, 'account', 'cloudflare_token_refused', 6],
    ['the namespaces', 'GET /accounts/:account/storage', denied, 'account', 'cloudflare_forbidden', 6],
    ['the domain', 'GET /accounts/:account/workers/domains', denied, 'domain', 'cloudflare_forbidden', 6],
    [
      'the Worker',
      'GET /accounts/:account/workers/scripts',
      { status: 429, headers: { 'retry-after': '300' } },
      'worker',
      'cloudflare_rate_limited',
      5,
    ],
    ['the new namespace', 'POST /accounts/:account/storage', denied, 'namespace', 'cloudflare_forbidden', 6],
  ])('at %s names the step, and leaves nothing half done', async (_what, route, fault, step, code, exit) => {
    cloudflare.fault = (asked) => (asked.route.startsWith(route) ? fault : undefined)
    const ended = await deploy(['--domain', DOMAIN, '--json'])
    expect(ended.code).toBe(exit)
    expect(ended.json()).toMatchObject({ step, error: { code } })
    expect([...cloudflare.workers.keys()]).toEqual([])
  })

  it('in the registry says what was done, and goes on from there', async () => {
    cloudflare.kv.fault = ({ route }) => (route === 'put' ? { status: 403 } : undefined)
    const ended = await deploy(['--domain', DOMAIN])
    cloudflare.kv.fault = () => undefined
    expect(ended.code).toBe(6)
    expect(ended.stderr).toMatch(
      /^error: Step registry: Cloudflare does not let .*\[cloudflare_forbidden\]$/m,
    )
    expect(ended.stderr).toContain('Done already: namespace, settings;')
    expect(cloudflare.namespaces).toHaveLength(1)
  })

  it('at the upload says what wrangler said, without the token', async () => {
    cloudflare.fault = ({ route }) => (route.startsWith(upload) ? denied : undefined)
    const ended = await deploy(['--json'])
    expect(ended.json()).toMatchObject({ step: 'worker', error: { code: 'cloudflare_forbidden' } })
    expect(ended.json().error.hint).toContain('perhaps some of worker; the same command does the rest.')
    expect(ended.code).toBe(6)
    expect(ended.json().error.details.join('\n')).toContain('[code: 10000]')
    expect(await readdir(project.path('.mux/run'))).not.toContain('deploy-secrets.json')
  })

  it('by Ctrl-C in the middle of the upload ends wrangler, and leaves no secret', async () => {
    cloudflare.fault = ({ route }) => (place.test(route) ? 'hang' : undefined)
    const [command, argv] = muxCommand(['deploy', '--json'])
    const child = spawn(command, argv, {
      cwd: project.directory,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const said = text(child.stdout)
    const isUploading = async () => cloudflare.asked.some(({ route }) => place.test(route)) || undefined
    await until('the upload', isUploading)
    const seen = await commandLines()
    expect(seen.filter((line) => line.includes('wrangler'))).not.toEqual([])
    for (const secret of await secrets()) expect(seen.join('\n')).not.toContain(secret)
    child.kill('SIGINT')
    expect(JSON.parse(await said)).toMatchObject({ step: 'worker', error: { code: 'interrupted' } })
    // Who has been killed is there until a processor has a moment for it.
    const isHere = (line: string) => line.includes(project.directory) && line.includes('wrangler')
    await until('the end of wrangler', async () => !(await commandLines()).some(isHere) || undefined)
    expect(await readdir(project.path('.mux/run'))).not.toContain('deploy-secrets.json')
    // What it was building, it leaves when it is killed.
    await rm(project.path('.wrangler'), { recursive: true, force: true })
  })
})

describe('a deployment', () => {
  it('brings records, secrets and Worker to Cloudflare, also behind one that broke off, and there they work', async () => {
    // As if all of that one had arrived but the answer: nothing at Cloudflare tells that wrangler did not come to its end.
    cloudflare.domains.set(DOMAIN, worker())
    const ended = await deploy(['--json'])
    expect(ended).toMatchObject({ code: 0 })
    expect(cloudflare.changes().filter((route) => place.test(route))).toHaveLength(1)
    expect(outcomes(ended)).toMatchObject({
      namespace: 'ok',
      registry: 'ok',
      worker: 'done',
      answer: 'ok',
      'mux.yaml': 'done',
    })
    const { metadata, id, modules } = cloudflare.current(worker())
    expect(ended.json()).toMatchObject({
      worker: worker(),
      namespace: NAMESPACE,
      urls: [`https://${DOMAIN}`],
      version: id,
    })
    const inKv = [...cloudflare.kv.values].map(([key, { value }]) => [key, JSON.parse(value)])
    const here = [...readRecords(project)].map(([key, value]) => [key, JSON.parse(value)])
    expect(Object.fromEntries(inKv)).toEqual(Object.fromEntries(here))
    expect(bindings()).toMatchObject({
      SESSION_KEY: { type: 'secret_text', text: await keyOf('session') },
      SESSION_KEY_PREVIOUS: { type: 'secret_text', text: await keyOf('session') },
      EDGE_KEY: { type: 'secret_text', text: host.edgeKey.toString('base64') },
      REGISTRY: { type: 'kv_namespace', namespace_id: NAMESPACE },
      FAILURES_PAIR: { type: 'ratelimit' },
      VERSION: { type: 'version_metadata' },
    })
    expect(metadata).toMatchObject({ observability: { redact_query_string: true }, limits: { cpu_ms: 1000 } })
    expect(metadata.annotations!['workers/tag']).toMatch(/^mux-[0-9a-f]{8}-[0-9a-f]{16}$/)
    expect(modules['index.js']).toContain('"IDENTITY_HEADER": "X-Remote-User"')
    expect(modules['index.js']).toContain('"SESSION_IDLE": "604800"')
    expect(cloudflare.domains.get(DOMAIN)).toBe(worker())
    expect(cloudflare.asked.filter(({ authorization }) => authorization !== `Bearer ${TOKEN}`)).toEqual([])
    expect(await project.read('mux.yaml')).toMatch(/^# of the circus\n[^]*\nregistry: kv\n/)
    expect(await readdir(project.path('.mux/run'))).not.toContain('deploy-secrets.json')
    expect(await readdir(project.directory)).not.toContain('.wrangler')

    const answer = await get('/hello')
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ instance: 'django1' })
  })

  it('of what is there already does nothing, and says so of each step', async () => {
    // What one leaves that is killed while wrangler runs.
    await writeFile(project.path('.mux/run/deploy-secrets.json'), '{}')
    const ended = await deploy(['--json'])
    expect(ended).toMatchObject({ code: 0 })
    expect(new Set(Object.values(outcomes(ended)))).toEqual(new Set(['ok']))
    expect(cloudflare.changes()).toEqual([])
    expect(cloudflare.kv.asked.filter(({ route }) => route === 'put' || route === 'delete')).toEqual([])
    expect(await readdir(project.path('.mux/run'))).not.toContain('deploy-secrets.json')
  })

  it('does what differs: a name of the site, another key, a line in wrangler.jsonc', async () => {
    const yaml = await project.read('mux.yaml')
    await project.write('mux.yaml', yaml.replace('edge:', 'edge:\n  name: "The \\"Circus\\""'))
    const before = await keyOf('session')
    await project.must(['key', 'rotate'])
    const config = await project.read('wrangler.jsonc')
    await project.write('wrangler.jsonc', config.replace('"cpu_ms": 1000', '"cpu_ms": 500 /* mine */'))
    const ended = await deploy(['--json'])
    expect(ended).toMatchObject({ code: 0 })
    expect(outcomes(ended)).toMatchObject({ registry: 'ok', namespace: 'ok', worker: 'done' })
    expect(bindings()).toMatchObject({
      SESSION_KEY: { text: await keyOf('session') },
      SESSION_KEY_PREVIOUS: { text: before },
    })
    expect(cloudflare.current(worker())).toMatchObject({ metadata: { limits: { cpu_ms: 500 } } })
    expect(await (await get('/_mux/signin')).text()).toContain('The &quot;Circus&quot;')
    expect(await project.read('wrangler.jsonc')).toContain('"cpu_ms": 500 /* mine */')
  })

  it('goes back to the version before, and asks where its keys are not those of now', async () => {
    const [newer, older] = cloudflare.workers.get(worker())!.deployments as [string, string]
    const asked = await deploy(['--rollback'])
    expect(asked).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`Go back from version ${newer} to ${older}?`),
    })
    const ended = await deploy(['--rollback', '--yes', '--json'])
    expect(ended).toMatchObject({ code: 0 })
    expect(ended.json()).toMatchObject({ from: newer, to: older })
    expect(cloudflare.current(worker()).id).toBe(older)
    expect(await (await get('/_mux/signin')).text()).not.toContain('Circus')
  })

  it('takes nothing from another Worker unasked', async () => {
    const versions = cloudflare.workers.get(worker())!.versions.map(({ metadata }) => metadata)
    const marks = versions.map(({ annotations }) => annotations!)
    const foreign = `the Worker ${worker()} is there, and was not deployed from here`
    cloudflare.domains.set(DOMAIN, 'theirs')
    // As after wrangler secret put, which makes a version without a mark.
    cloudflare.current(worker()).metadata.annotations = {}
    const one = await deploy()
    for (const version of versions) version.annotations = {}
    const two = await deploy()
    for (const [at, version] of versions.entries()) version.annotations = marks[at]!
    cloudflare.domains.set(DOMAIN, worker())

    for (const ended of [one, two]) {
      expect(ended).toMatchObject({ code: 2 })
      expect(ended.stderr).toContain(`${DOMAIN} is taken from the Worker theirs`)
    }
    expect(one.stderr).not.toContain(foreign)
    expect(two.stderr).toContain(foreign)
    expect(cloudflare.changes()).toEqual([])
  })

  it('does not go unasked before hosts that know another edge', async () => {
    const key = await readFile(project.path('.mux/keys/edge.key'))
    await writeFile(project.path('.mux/keys/edge.key'), `${Buffer.alloc(32, 7).toString('base64')}\n`)
    const ended = await deploy()
    await writeFile(project.path('.mux/keys/edge.key'), key)
    expect(ended).toMatchObject({ code: 2 })
    expect(ended.stderr).toMatch(/host h1: the gateway at \S+ does not know this edge/)
    expect(cloudflare.changes()).toEqual([])
  })

  it('for staging is beside the other, with sessions of its own', async () => {
    const [yaml, config] = [await project.read('mux.yaml'), await project.read('wrangler.jsonc')]
    const ended = await deploy(['--env', 'staging', '--domain', 'staging.example.test', '--json'])
    expect(ended).toMatchObject({ code: 0 })
    const staging = `${worker()}-staging`
    expect(ended.json()).toMatchObject({ worker: staging, urls: ['https://staging.example.test'] })
    expect(bindings(staging)).toMatchObject({
      EDGE_KEY: { text: await keyOf('edge') },
      FAILURES_PAIR: { type: 'ratelimit' },
    })
    expect(bindings(staging)['SESSION_KEY']!['text']).not.toBe(await keyOf('session'))
    expect(Object.fromEntries(cloudflare.domains)).toEqual({
      [DOMAIN]: worker(),
      'staging.example.test': staging,
    })
    expect(await project.read('mux.yaml')).toBe(yaml)
    expect(await project.read('wrangler.jsonc')).toContain('"cpu_ms": 500 /* mine */')
    await project.write('wrangler.jsonc', config)
  })
})

/** Of all processes of this machine. */
async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
}
