import type { HostName } from '@mux/contract'
import type { CertificateFiles } from './certificate.ts'
import type { ConfigReader, Place } from './config-reader.ts'
import {
  HOST_NAME_RULE,
  LISTEN_RULE,
  type ListenAddress,
  ORIGIN_RULE,
  parseListen,
  parseOrigin,
  parseRemoteHostName,
} from './config-values.ts'

/** What `host` in mux.yaml says: as which host, for an edge that runs elsewhere, `mux up` serves. */
export interface HostSection {
  name: HostName
  /** By what that edge reaches it. */
  origin: string
  listen: ListenAddress
  /** Null: plain HTTP. */
  tls: CertificateFiles | null
}

export const DEFAULT_HOST_LISTEN: ListenAddress = { host: '127.0.0.1', port: 9090 }

/** @param readTls reads the files of a certificate */
export function readHostSection(
  reader: ConfigReader,
  place: Place,
  readTls: (place: Place | undefined) => CertificateFiles | undefined,
): HostSection | undefined {
  if (!reader.isMap(place)) return reader.wrong(place, 'a map with name and origin')
  const found = reader.keys(place, ['name', 'origin', 'listen', 'tls'])
  const needed = <Value>(key: 'name' | 'origin', rule: string, parse: (text: string) => Value | undefined) =>
    found[key]
      ? reader.parsed(found[key], rule, parse)
      : reader.problem(place, `has no ${key}; expected ${rule}`)
  const name = needed('name', HOST_NAME_RULE, parseRemoteHostName)
  const origin = needed('origin', ORIGIN_RULE, parseOrigin)
  const listen = reader.parsed(found.listen, LISTEN_RULE, parseListen) ?? DEFAULT_HOST_LISTEN
  const tls = readTls(found.tls) ?? null
  return name === undefined || origin === undefined ? undefined : { name, origin, listen, tls }
}
