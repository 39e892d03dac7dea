// `fastify-permit matrix`: a policy as a table of users by permissions, for the terminal and as a page.
import { writeFile } from 'node:fs/promises'
import { suggest } from '../../kit/suggest.js'
import { AUTHORITY_OPTIONS, GIVEN_HELP } from '../asking/authority-options.js'
import { strangersOf } from '../asking/strangers.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { jsonLines, maybe } from '../terminal/line.js'
import { matrixHtml } from '../matrix/matrix-html.js'
import { matrixText } from '../matrix/matrix-text.js'
import { matrixOf } from '../matrix/permission-matrix.js'

const HELP = `Usage: fastify-permit matrix --policy <file> [options]

Shows a policy as tables: what each user may do in each tenant, and on each resource on which somebody has a role; then
what each role holds, and the rules. It is about users as the policy has them: attributes that come with a question may
open or close more.

Options:
  --policy <file>  a policy file, permit.yaml or .json
  --tenant <key>   this tenant only

${GIVEN_HELP}

Output:
  --html <file>    writes a page for a browser instead: one file, that needs nothing else
  --json           the tables as JSON
  --help           this text

Exit codes:
  0  it was shown, or written
  2  the arguments cannot be used
  3  a file cannot be used

Examples:
  fastify-permit matrix --policy permit.yaml
  fastify-permit matrix --policy permit.yaml --given permit.test.yaml --tenant acme
  fastify-permit matrix --policy permit.yaml --html who-may-do-what.html`

/** Columns where nobody says how many there are, as in a file. */
const COLUMNS = 80

/** The command. */
export const matrixCommand: Command = {
  name: 'matrix',
  summary: 'who may do what? A policy as tables, in the terminal or as a page',
  help: HELP,
  exitCodeOnError: EXIT.unanswered,

  async run (args, terminal) {
    const { policy: file, given, tenant, html, json } = parseOptions(args, {
      policy: AUTHORITY_OPTIONS.policy,
      given: AUTHORITY_OPTIONS.given,
      tenant: { type: 'string' },
      html: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    if (file === undefined) throw new UsageError('--policy is missing')
    if (html !== undefined && json) throw new UsageError('--html and --json are both given; give one of them')
    // Not before it is needed: help and mistakes need no engine.
    const { openPolicy } = await import('../asking/authority.js')
    const { policy, engine } = await openPolicy(file, given)
    if (tenant !== undefined && engine.facts.getTenant(tenant) === undefined) {
      throw new UsageError(`tenant '${tenant}' is not in the policy; ${suggest(tenant, Array.from(engine.facts.tenants(), ({ key }) => key), '')}`)
    }

    const matrix = matrixOf(policy, engine, tenant)
    if (html !== undefined) {
      await writeFile(html, matrixHtml({ policy: file, matrix }))
      terminal.out([`Written to ${html}`])
    } else if (json) {
      terminal.out(jsonLines(matrix))
    } else {
      terminal.out(matrixText(matrix, Math.max(40, terminal.columns ?? COLUMNS)))
      for (const open of strangersOf(engine)) terminal.err([maybe(`note: ${open}`)])
      if (engine.facts.userCount === 0) terminal.err(['The policy lists no users; --given <file> adds those of a test file.'])
    }
    return EXIT.ok
  }
}
