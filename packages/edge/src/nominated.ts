import { nominatedNames } from '@mux/contract'
import { rememberByName } from './by-name.ts'
import { headerValues } from './forward.ts'

/** The lower-case names that the `Connection` headers of a raw list nominate as hop-by-hop; undefined without such a header. */
export function nominatedBy(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  const values = headerValues(rawHeaders, 'connection')
  return values.length === 0 ? undefined : namesIn(values.join(','))
}

const namesIn = rememberByName((list) => nominatedNames([list]))
