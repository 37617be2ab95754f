import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { addUser, createProject, type TestProject, TWO_INSTANCES } from '../fixtures/mux.ts'
import { runMux, temporaryProject } from '../fixtures/run-mux.ts'

let project: TestProject
afterEach(() => project.remove())

const withEdge = (edge: string) =>
  TWO_INSTANCES.replace('edge: { listen: "127.0.0.1:0" }', `edge: { ${edge} }`)

describe('plain HTTP where others may hear it', () => {
  it.each([
    ['named in mux.yaml', 'listen: "0.0.0.0:0"', []],
    ['named on the command line', 'listen: "127.0.0.1:0"', ['--listen', '0.0.0.0:0']],
    ['of IPv6', 'listen: "[::]:0"', []],
  ])('is refused at an address %s, before anything runs', async (_, edge, args) => {
    project = await createProject(withEdge(edge))
    const { code, stderr } = await project.mux('up', ...args)
    expect(code).toBe(6)
    expect(stderr).toMatch(/plain_http_refused[^]*edge\.behind_proxy: true/)
  })

  it('is spoken where the operator says that only a front reaches it', async () => {
    project = await createProject(withEdge('listen: "0.0.0.0:0", behind_proxy: true'))
    const { url } = await project.up()
    expect((await fetch(`${url.replace('0.0.0.0', '127.0.0.1')}/_mux/health`)).status).toBe(200)
  })
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOpenssl)('TLS (skipped without openssl)', () => {
  const certify = (name: string, more = '') =>
    execFileSync(
      'openssl',
      `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.pem${more}`.split(
        ' ',
      ),
      { cwd: project.directory, stdio: 'ignore' },
    )
  const path = (file: string) => join(project.directory, file)
  const portOf = (url: string) => Number(new URL(url).port)

  async function subjectAt(url: string): Promise<string> {
    const socket: TLSSocket = connect({ port: portOf(url), host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const certificate: PeerCertificate = socket.getPeerCertificate()
    socket.destroy()
    return String(certificate.subject.CN)
  }

  it('is spoken at any address with a certificate, which may change while mux runs, and nothing else is', async () => {
    project = await createProject(withEdge('listen: "0.0.0.0:0", tls: { cert: site.pem, key: site.key }'))
    for (const name of ['site', 'later', 'broken']) certify(name)
    const { url, said, child, ended } = await project.up()
    expect(url).toMatch(/^https:/)
    expect(await subjectAt(url)).toBe('site')

    const user = await addUser(project, 'graham', 'a')
    const agent = new Agent({ rejectUnauthorized: false, keepAlive: true })
    const call = request({
      port: portOf(url),
      host: '127.0.0.1',
      headers: user,
      agent,
    }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    expect(answer.statusCode).toBe(200)
    expect(Buffer.concat((await answer.toArray()) as Buffer[]).toString()).toMatch(/"scheme":"https"/)
    await expect(fetch(url.replace(/^https:\/\/0\.0\.0\.0/, 'http://127.0.0.1'))).rejects.toThrow()

    await rename(path('broken.key'), path('site.key'))
    await expect.poll(() => said.stderr).toContain('event=certificate_unusable')
    expect(await subjectAt(url)).toBe('site')
    await rename(path('later.pem'), path('site.pem'))
    await rename(path('later.key'), path('site.key'))
    await expect.poll(() => subjectAt(url)).toBe('later')

    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
    agent.destroy()
  })

  it('is spoken by a host, to its operator too, with a certificate that may change while mux runs', async () => {
    project = await createProject(`${TWO_INSTANCES}host:
  name: web1
  origin: https://web1.example
  listen: "0.0.0.0:0"
  tls: { cert: site.pem, key: site.key }
`)
    certify('site', ' -addext subjectAltName=IP:127.0.0.1')
    certify('later')
    const operator = (args: string[], env: NodeJS.ProcessEnv = {}) => runMux(args, { cwd: operated, env })
    const operated = temporaryProject('registry: sqlite\n')
    const { stdout: input } = await operator(['host', 'add', 'web1', '--url', 'https://web1.example'])
    const join = ['host', 'join', 'web1', '--origin', 'https://web1.example', '--key-stdin']
    expect(await runMux(join, { cwd: project.directory, input })).toMatchObject({ code: 0 })
    const { url } = await project.up()
    expect(url).toMatch(/^https:/)
    const here = url.replace('0.0.0.0', '127.0.0.1')
    await operator(['host', 'set', 'web1', '--control-url', here])
    const trusting = await operator(['host', 'list'], { NODE_EXTRA_CA_CERTS: path('site.pem') })
    expect(trusting.stdout).toMatch(/^web1 .* \d of \d/m)
    expect((await operator(['host', 'list'])).stdout).toMatch(/^web1 .*unreachable/m)
    await expect(fetch(here.replace('https', 'http'))).rejects.toThrow()

    await rename(path('later.key'), path('site.key'))
    await rename(path('later.pem'), path('site.pem'))
    await expect.poll(() => subjectAt(url)).toBe('later')
  })

  it.each([
    ['a key that is not there', 'site.pem', 'nowhere.key', /nowhere\.key cannot be used for TLS: ENOENT/],
    ['a key of another certificate', 'site.pem', 'later.key', /it is not the key of/],
    ['a key that is none', 'site.pem', 'site.pem', /it is no PEM of the kind/],
    ['a chain that goes on with no certificate', 'chain.pem', 'site.key', /chain\.pem .* OpenSSL refuses it/],
  ])('is not begun with %s', async (_, cert, key, message) => {
    project = await createProject(withEdge(`listen: "127.0.0.1:0", tls: { cert: ${cert}, key: ${key} }`))
    for (const name of ['site', 'later']) certify(name)
    const rest = '-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n'
    await writeFile(path('chain.pem'), `${await readFile(path('site.pem'), 'utf8')}${rest}`)
    const { code, stderr } = await project.mux('up')
    expect(code).toBe(1)
    expect(stderr).toContain('certificate_unusable')
    expect(stderr).toMatch(message)
  })
})
