import { expect, it } from 'vitest'
import { readWrk } from './load.ts'

const OUTPUT = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 1 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   103.07us  200.15us   7.62ms   99.07%
    Req/Sec    10.77k     1.25k   11.63k    90.91%
  Latency Distribution
     50%   80.00us
     75%   89.00us
     90%  112.00us
     99%    1.26s 
  11792 requests in 1.10s, 2.16MB read
Requests/sec:  10724.29
Transfer/sec:      1.96MB
`

it('what wrk prints is read, latencies in milliseconds whatever their unit', () => {
  expect(readWrk(OUTPUT)).toEqual({ requests: 11_792, perSecond: 10_724.29, p50: 0.08, p99: 1260 })
})

it.each(['  Non-2xx or 3xx responses: 11792\n', '  Socket errors: connect 0, read 3, write 0, timeout 0\n'])(
  'a run with errors measures nothing: %j',
  (line) => {
    expect(() => readWrk(OUTPUT.replace('Requests/sec', `${line}Requests/sec`))).toThrow(line.trim())
  },
)
