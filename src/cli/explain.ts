// `fastify-permit explain`: why a user may do something, or not, model by model.
import { AUTHORITY_OPTIONS, GIVEN_HELP, PDP_HELP, WHOM_HELP } from './authority-options.js'
import { parseOptions } from './arguments.js'
import { colorsOf } from './colors.js'
import { EXIT, type Command } from './command.js'
import { explain } from './explanation.js'
import { QUESTION_HELP, QUESTION_OPTIONS, questionOf } from './question.js'
import { drawTree } from './tree.js'

const HELP = `Usage: fastify-permit explain --user <key> --action <action> --resource <type[:key]> [options]

Says why a user may do something, or not, as a tree: the roles that the user has and those that would do, each condition
with the values that it compared, each step by which a role on an instance is derived. Of a PDP over HTTP it shows what
the PDP itself says.

The tree shows attribute values.

${QUESTION_HELP}

${WHOM_HELP}

${GIVEN_HELP}

${PDP_HELP}

Output:
  --json           the same as JSON: { "allow", "code", "reason", "models" }, of a PDP "debug" in place of "models"
  --help           this text

Exit codes:
  0  yes: allow
  1  no: deny
  2  the arguments cannot be used
  3  no decision: the policy cannot be used, or the PDP cannot be asked. Never take it for a yes.

Examples:
  fastify-permit explain --user victor --action delete --resource task --policy permit.yaml
  fastify-permit explain --user ann --action read --resource document:spec --policy permit.yaml --given permit.test.yaml
  fastify-permit explain --user ann --action read --resource document:spec --pdp http://localhost:7766`

/** The command. */
export const explainCommand: Command = {
  name: 'explain',
  summary: 'why may this user do this, or not? As a tree',
  help: HELP,
  failure: EXIT.unanswered,

  async run (args, terminal) {
    const options = parseOptions(args, { ...QUESTION_OPTIONS, ...AUTHORITY_OPTIONS, json: { type: 'boolean', default: false } })
    const query = questionOf(options)
    // Not before it is needed: help and mistakes need no engine.
    const { openAuthority } = await import('./authority.js')
    const authority = await openAuthority(options, terminal)
    try {
      const { decision, tree } = await explain(authority, query)
      terminal.out(options.json ? JSON.stringify(decision, null, 2) : drawTree(tree, colorsOf(terminal)).join('\n'))
      return decision.allow ? EXIT.ok : EXIT.no
    } finally {
      await authority.close()
    }
  }
}
