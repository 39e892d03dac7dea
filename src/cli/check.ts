// `fastify-permit check`: one question, one answer, and an exit code that a script can go by.
import { AUTHORITY_OPTIONS, GIVEN_HELP, PDP_HELP, WHOM_HELP } from './authority-options.js'
import { parseOptions } from './arguments.js'
import { colorsOf } from './colors.js'
import { EXIT, type Command } from './command.js'
import { printable } from './printable.js'
import { QUESTION_HELP, QUESTION_OPTIONS, questionOf } from './question.js'

const HELP = `Usage: fastify-permit check --user <key> --action <action> --resource <type[:key]> [options]

Asks whether a user may do something, and says why.

${QUESTION_HELP}

${WHOM_HELP}

${GIVEN_HELP}

${PDP_HELP}

Output:
  --json           the decision as JSON: { "allow", "code", "reason" }
  --help           this text

Exit codes:
  0  yes: allow
  1  no: deny
  2  the arguments cannot be used
  3  no decision: the policy cannot be used, or the PDP cannot be asked. Never take it for a yes.

Examples:
  fastify-permit check --user ann --action create --resource task --policy permit.yaml
  fastify-permit check --user ann --action read --resource document:spec --tenant acme --pdp http://localhost:7766
  fastify-permit check --user ann --action edit --resource report --user-attributes '{"level":3}' --policy permit.yaml`

/** The command. */
export const checkCommand: Command = {
  name: 'check',
  summary: 'may this user do this? Exit code 0 for yes, 1 for no',
  help: HELP,
  failure: EXIT.unanswered,

  async run (args, terminal) {
    const options = parseOptions(args, { ...QUESTION_OPTIONS, ...AUTHORITY_OPTIONS, json: { type: 'boolean', default: false } })
    const query = questionOf(options)
    // Not before it is needed: help and mistakes need no engine.
    const { openAuthority } = await import('./authority.js')
    const authority = await openAuthority(options, terminal)
    try {
      const { allow, code, reason } = await authority.ask(query)
      if (options.json) {
        terminal.out(JSON.stringify({ allow, code, reason }, null, 2))
      } else {
        const { yes, no } = colorsOf(terminal)
        const because = [reason, code === undefined || allow ? undefined : `(${code})`].filter(part => part !== undefined)
        terminal.out([allow ? yes('allow') : no('deny'), ...because.length === 0 ? [] : [printable(because.join(' '))]].join(': '))
      }
      return allow ? EXIT.ok : EXIT.no
    } finally {
      await authority.close()
    }
  }
}
