// `fastify-permit matrix`: a policy as a table of users by permissions, in the terminal or as an HTML page.
import { writeFile } from 'node:fs/promises'
import { suggest } from '../../kit/suggest.js'
import { AUTHORITY_OPTIONS, GIVEN_HELP } from '../asking/authority-options.js'
import { openUserSetNotes } from '../asking/open-user-set-notes.js'
import { matrixHtml } from '../matrix/matrix-html.js'
import { matrixText } from '../matrix/matrix-text.js'
import { matrixOf } from '../matrix/permission-matrix.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { jsonLines, maybe } from '../terminal/line.js'

const HELP = `Usage: fastify-permit matrix --policy <file> [options]

Shows a policy as tables: what each user may do in each tenant, and on each resource on which a user has a role; then the
permissions of each role, and the rules. The tables use the stored attributes of users: attributes in a request may allow or
deny more.

Options:
  --policy <file>  a policy file, permit.yaml or .json
  --tenant <key>   show this tenant only

${GIVEN_HELP}

Output:
  --html <file>    write an HTML page instead: one self-contained file
  --json           print the tables as JSON
  --help           show this help

Exit codes:
  0  the tables were printed or written
  2  the arguments are invalid
  3  a file is invalid

Examples:
  fastify-permit matrix --policy permit.yaml
  fastify-permit matrix --policy permit.yaml --given permit.test.yaml --tenant acme
  fastify-permit matrix --policy permit.yaml --html who-may-do-what.html`

/** Columns when the output is not a terminal. */
const DEFAULT_COLUMNS = 80

/** Columns at least. */
const MIN_COLUMNS = 40

/** The command. */
export const matrixCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { policy: file, given, tenant, html, json, pdp } = parseOptions(args, {
      // Refused with a better message than that of an unknown option.
      pdp: AUTHORITY_OPTIONS.pdp,
      policy: AUTHORITY_OPTIONS.policy,
      given: AUTHORITY_OPTIONS.given,
      tenant: { type: 'string' },
      html: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    if (pdp !== undefined) {
      throw new UsageError('matrix cannot ask a PDP: a PDP does not list its users and rules; ' +
        'give the policy with --policy, or ask about one user with check --pdp or explain --pdp')
    }
    if (file === undefined) throw new UsageError('--policy is missing')
    if (html !== undefined && json) throw new UsageError('--html and --json are both given; give one of them')
    // Imported here, because help and invalid arguments need no engine.
    const { openPolicy } = await import('../asking/authority.js')
    const { policy, engine } = await openPolicy(file, given)
    if (tenant !== undefined && engine.facts.getTenant(tenant) === undefined) {
      const hint = suggest(tenant, Array.from(engine.facts.tenants(), ({ key }) => key), '')
      throw new UsageError(`tenant '${tenant}' is not in the policy; ${hint}`)
    }

    const matrix = matrixOf(policy, engine, tenant)
    if (html !== undefined) {
      await writeFile(html, matrixHtml({ policy: file, matrix }))
      terminal.out([`Written to ${html}`])
    } else if (json) {
      terminal.out(jsonLines(matrix))
    } else {
      terminal.out(matrixText(matrix, Math.max(MIN_COLUMNS, terminal.columns ?? DEFAULT_COLUMNS)))
      for (const open of openUserSetNotes(engine)) terminal.err([maybe(`note: ${open}`)])
      if (engine.facts.userCount === 0) terminal.err(['The policy has no users; --given <file> adds the users of a test file.'])
    }
    return EXIT.ok
  }
}
