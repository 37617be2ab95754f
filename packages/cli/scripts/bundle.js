// Puts the command line and all that it imports into few files: to find and read hundreds of small ones takes longer than what
// most commands do. A file a command stays, by which oclif finds it, and a command loads what it uses and no more.
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))

await build({
  cwd: root,
  input: {
    ...programs(new URL('../src/', import.meta.url), ['main.ts', 'commands/**/*.ts', 'hooks/*.ts']),
    // As plugins of oclif they would be looked for at every start, and load all of oclif a second time.
    ...programs(import.meta.resolve('@oclif/plugin-help'), ['commands/*.js']),
    ...programs(import.meta.resolve('@oclif/plugin-autocomplete'), ['commands/**/*.js']),
    // A program of its own, which a supervisor starts; it looks for it beside itself.
    'keep-logs': '@mux/instance/keep-logs',
    // A thread of the embedded edge, which looks for it likewise.
    'compare-hashes': '@mux/edge/compare-hashes',
  },
  platform: 'node',
  // What jsonc-parser has as its main loads the rest of it in a way that nobody can see beforehand.
  resolve: { mainFields: ['module', 'main'] },
  // It runs parts of wrangler, which has to lie where it was installed, and finds the Worker's source from where it lies itself.
  external: ['@mux/edge/dev'],
  output: { dir: 'dist', cleanDir: true, chunkFileNames: '[name]-[hash].js' },
})

/** The files beside a module, or in a directory, that fit a pattern, by what they are to be called. */
function programs(url, patterns) {
  const cwd = fileURLToPath(new URL('.', url))
  const files = globSync(patterns, { cwd, exclude: ['**/*.test.ts'] })
  return Object.fromEntries(files.map((file) => [file.replace(/\.[jt]s$/, ''), `${cwd}${file}`]))
}
