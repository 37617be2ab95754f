import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Certificate } from '@mux/edge'
import { CliError } from './errors.ts'
import type { EventLog } from './event-log.ts'

/** Where the certificate and its key lie: absolute paths of PEM files. */
export interface CertificateFiles {
  cert: string
  key: string
}

/** How often the files are looked at, in milliseconds. A link that is pointed elsewhere wakes no watcher. */
const LOOK_EVERY = 5_000

/**
 * A certificate, with what it is chained to, and its private key.
 * @throws {CliError} `certificate_unusable` also when the key is another's
 */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const cert = await readPem(files.cert)
  const key = await readPem(files.key)
  const first = parsed(files.cert, () => new X509Certificate(cert))
  const secret = parsed(files.key, () => createPrivateKey(key))
  if (!first.checkPrivateKey(secret)) throw unusable(files.key, `it is not the key of ${files.cert}`)
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    // Of what it is chained to, or for being too weak.
    throw unusable(files.cert, `OpenSSL refuses it: ${reasonOf(error as Error)}`, error)
  }
  return { cert, key }
}

/** Tells of a certificate that has taken the place of the one before; one that cannot be used is left, and the log has it. */
export function watchCertificate(
  files: CertificateFiles,
  changed: (certificate: Certificate) => void,
  log: EventLog,
): { stop(): void } {
  let last: Promise<string> = stampOf(files)
  const look = async (): Promise<void> => {
    const [before, now] = await Promise.all([last, stampOf(files)])
    if (now === before) return
    last = Promise.resolve(now)
    try {
      changed(await readCertificate(files))
      log({ event: 'certificate_changed', file: files.cert })
    } catch (error) {
      log({ event: 'certificate_unusable', error })
    }
  }
  const timer = setInterval(() => void look(), LOOK_EVERY).unref()
  return { stop: () => clearInterval(timer) }
}

/** Which files they are, as far as it can be told without reading them. */
async function stampOf({ cert, key }: CertificateFiles): Promise<string> {
  const stamps = [cert, key].map(async (file) => {
    const found = await stat(file).catch(() => undefined)
    return found && `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs}`
  })
  return (await Promise.all(stamps)).join()
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw unusable(file, String((error as NodeJS.ErrnoException).code), error)
  }
}

function parsed<Value>(file: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (error) {
    throw unusable(file, 'it is no PEM of the kind that belongs there', error)
  }
}

function reasonOf(error: Error & { reason?: string }): string {
  return error.reason ?? error.message
}

function unusable(file: string, reason: string, cause?: unknown): CliError {
  return new CliError('certificate_unusable', `${file} cannot be used for TLS: ${reason}.`, {
    hint: 'Name a certificate and its key, without a passphrase, as edge.tls, or host.tls on a host, in mux.yaml.',
    cause,
  })
}
