// Writes oclif.manifest.json, by which `mux` knows its commands without loading each of them at every start.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Plugin, settings } from '@oclif/core'

const root = fileURLToPath(new URL('..', import.meta.url))
settings.enableAutoTranspile = false
const plugin = new Plugin({
  root,
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
})
await plugin.load()
writeFileSync(`${root}/oclif.manifest.json`, `${JSON.stringify(plugin.manifest, null, 2)}\n`)
