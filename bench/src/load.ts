import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import autocannon from 'autocannon'

/** One measurement. Latencies in milliseconds. */
export interface Sample {
  requests: number
  perSecond: number
  p50: number
  p99: number
}

export interface Load {
  url: string
  headers: Record<string, string>
  connections: number
  seconds: number
}

/** Puts load on a URL and measures. Any answer but 2xx, and any lost connection, is an error. */
export interface Generator {
  name: string
  run: (load: Load) => Promise<Sample>
}

/** wrk where there is one: it takes the least from what is measured. autocannon everywhere else. */
export function findGenerator(): Generator {
  const { error, stdout } = spawnSync('wrk', ['-v'], { encoding: 'utf8', timeout: 5_000 })
  if (error) return { name: 'autocannon', run: runAutocannon }
  return { name: stdout.split('\n')[0]!.replace(/ Copyright.*/, ''), run: runWrk }
}

async function runWrk({ url, headers, connections, seconds }: Load): Promise<Sample> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const { stdout } = await promisify(execFile)(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '--latency', ...fields, url],
    { timeout: (seconds + 20) * 1000 },
  )
  return readWrk(stdout)
}

/** Reads what wrk prints. */
export function readWrk(output: string): Sample {
  const trouble = /^\s*(?:Non-2xx or 3xx responses|Socket errors):.*$/m.exec(output)
  if (trouble) throw new Error(trouble[0].trim())
  const find = (pattern: RegExp) => {
    const match = pattern.exec(output)
    if (!match) throw new Error(`wrk printed no ${pattern.source}:\n${output}`)
    return match
  }
  const milliseconds = (percentile: number) => {
    const [, value, unit] = find(new RegExp(`^\\s*${percentile}%\\s+([\\d.]+)(us|ms|s)\\s*$`, 'm'))
    return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's']
  }
  return {
    requests: Number(find(/^\s*(\d+) requests in /m)[1]),
    perSecond: Number(find(/^Requests\/sec:\s+([\d.]+)$/m)[1]),
    p50: milliseconds(50),
    p99: milliseconds(99),
  }
}

async function runAutocannon({ url, headers, connections, seconds }: Load): Promise<Sample> {
  const result = await autocannon({ url, headers, connections, duration: seconds })
  const bad = result.errors + result.non2xx + result.mismatches
  if (bad > 0) throw new Error(`${bad} answers of ${url} were errors`)
  return {
    requests: result.requests.total,
    perSecond: result.requests.total / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
  }
}
