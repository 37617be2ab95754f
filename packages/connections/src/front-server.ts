import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'

/** As PEM. */
export interface Certificate {
  /** With those that it is chained to. */
  cert: Buffer
  key: Buffer
}

/** RFC 9325 section 3.1.1; and how long a handshake may take, in milliseconds. */
const TLS = { minVersion: 'TLSv1.2', handshakeTimeout: 10_000 } as const

export interface FrontServer {
  server: Server
  /** Whether it speaks TLS, and nothing else; otherwise plain HTTP. */
  isSecure: boolean
  /** Greets who connects from now on with another certificate; for one that was made with one. */
  useCertificate: (certificate: Certificate) => void
}

export function createFrontServer(options: ServerOptions, certificate?: Certificate): FrontServer {
  const secured = certificate && createSecureServer({ ...options, ...TLS, ...certificate })
  return {
    server: secured ?? createServer(options),
    isSecure: secured !== undefined,
    useCertificate: (next) => secured?.setSecureContext({ ...TLS, ...next }),
  }
}

/** True for an error of a client with whom no connection by TLS has come about: nobody there can be told anything. */
export function isOfTls({ code = '' }: NodeJS.ErrnoException): boolean {
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')
}
