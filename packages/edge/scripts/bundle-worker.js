// Bundles the Worker into one module, which is what `mux deploy` hands to wrangler: what runs at Cloudflare is then what was
// built and tested here, whatever a wrangler elsewhere would make of the sources.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { BUNDLING } from '../dist/dev/bundling.js'

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))
await build({ ...BUNDLING, entryPoints: [path('src/worker.ts')], outfile: path('dist/worker/edge.js') })
