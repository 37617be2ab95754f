#!/usr/bin/env node
// Kept to what a Node of ten years ago can parse, so that an old one gets a sentence and no syntax error.
var NEEDED = [22, 19]
var found = process.versions.node.split('.').map(Number)

if (found[0] < NEEDED[0] || (found[0] === NEEDED[0] && found[1] < NEEDED[1])) {
  process.stderr.write(
    'error: mux needs Node ' +
      NEEDED.join('.') +
      ' or newer, and this is Node ' +
      process.versions.node +
      '; get a current one from https://nodejs.org, or run it as: npx --yes --package node@24 -- node ' +
      process.argv[1] +
      '\n',
  )
  process.exitCode = 1
} else {
  void import('../dist/main.js').then(function (main) {
    return main.run(process.argv.slice(2))
  })
}
