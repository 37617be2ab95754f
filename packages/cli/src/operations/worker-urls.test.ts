import { expect, it } from 'vitest'
import { readWorkerConfig } from '../worker-config.ts'
import { workerUrls } from './worker-urls.ts'

const cloud = (subdomain: string | undefined) => ({ subdomain: () => Promise.resolve(subdomain) })

it.each<[string, object, string[]]>([
  [
    'at a domain and at a route',
    { routes: [{ pattern: 'a.example.com', custom_domain: true }, 'b.example.com/*'] },
    ['https://a.example.com', 'https://b.example.com'],
  ],
  ['under workers.dev', { workers_dev: true }, ['https://mux-edge.example.workers.dev']],
  ['at many host names', { routes: ['*.example.com/*'] }, []],
])('a Worker %s is asked there', async (_, said, urls) => {
  const config = readWorkerConfig('', JSON.stringify({ name: 'mux-edge', ...said }), undefined)
  expect(await workerUrls(cloud('example'), config)).toEqual(urls)
})

it('a Worker under workers.dev in an account without a name there is nowhere', async () => {
  const config = readWorkerConfig('', '{ "name": "mux-edge", "workers_dev": true }', undefined)
  await expect(workerUrls(cloud(undefined), config)).rejects.toMatchObject({ code: 'usage' })
})
