// @ts-check
// One lint rule of our own, loaded by .oxlintrc.json.

const DISABLE = /^\s*(?:oxlint|eslint)-disable(?:-next-line|-line)?(\s.*)?$/s

/** A comment that turns a rule off names the rule and, after two dashes, the reason. */
const explainDisable = {
  create(/** @type {any} */ context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          const match = DISABLE.exec(comment.value)
          if (match && !/\S\s+--\s+\S/.test(match[1] ?? ''))
            context.report({
              message: 'Name the rule and the reason: oxlint-disable-next-line RULE -- REASON',
              loc: comment.loc,
            })
        }
      },
    }
  },
}

export default { meta: { name: 'mux' }, rules: { 'explain-disable': explainDisable } }
