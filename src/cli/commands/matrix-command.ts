// `fastify-permit matrix`: a policy as a table of users by permissions, in the terminal or as an HTML page.
import { writeFile } from 'node:fs/promises'
import { suggest } from '../../kit/suggest.js'
import { SOURCE_OPTIONS, GIVEN_HELP, PDP_HELP, type SourceValues } from '../query/decision-source-options.js'
import { openUserSetNotes } from '../query/open-user-set-notes.js'
import { matrixHtml } from '../matrix/matrix-html.js'
import { matrixText } from '../matrix/matrix-text.js'
import { matrixOf } from '../matrix/permission-matrix.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'
import { jsonLines, maybe } from '../terminal/styled-line.js'

const HELP = `Usage: fastify-permit matrix --policy <file> [options]
       fastify-permit matrix --pdp <url> --user <key> [--user <key>] [options]

Shows a policy as tables: what each user may do in each tenant, and on each resource on which a user has a role; then the
permissions of each role, and the rules. The tables use the stored attributes of users: attributes in a request may allow or
deny more.

A PDP over HTTP does not list its users and rules. With --pdp, the command prints the permissions that the PDP reports for the users
that you name: those by roles, in tenants and on instances. Conditions can allow more.

Options:
  --policy <file>  a policy file, permit.yaml or .json
  --tenant <key>   show this tenant only

${GIVEN_HELP}

  --pdp <url>      a PDP over HTTP, instead of --policy
  --user <key>     with --pdp: a user; give it once for each user

${PDP_HELP}

Output:
  --html <file>    write an HTML page instead: one self-contained file
  --json           print the tables as JSON
  --help           show this help

Exit codes:
  0  the tables were printed or written
  2  the arguments are invalid
  3  a file is invalid, or the PDP gave no valid answer

Examples:
  fastify-permit matrix --policy permit.yaml
  fastify-permit matrix --policy permit.yaml --given permit.test.yaml --tenant acme
  fastify-permit matrix --policy permit.yaml --html who-may-do-what.html
  fastify-permit matrix --pdp http://localhost:7766 --user ann --user ben`

/** Columns when the output is not a terminal. */
const DEFAULT_COLUMNS = 80

/** Columns at least. */
const MIN_COLUMNS = 40

/** The command. */
export const matrixCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const options = parseOptions(args, {
      ...SOURCE_OPTIONS,
      user: { type: 'string', multiple: true },
      tenant: { type: 'string' },
      html: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    const { policy: file, given, user: users, tenant, html, json } = options
    if (options.pdp !== undefined) return askPdp(options, terminal)
    if (file === undefined) throw new UsageError('--policy is missing; or give --pdp and --user')
    if (users !== undefined) throw new UsageError('--user needs --pdp; the tables of a policy have all users')
    if (html !== undefined && json) throw new UsageError('--html and --json are both given; give one of them')
    // Imported here, because help and invalid arguments need no engine.
    const { openPolicy } = await import('../query/decision-source.js')
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

interface PdpValues extends SourceValues {
  readonly user?: string[]
  readonly tenant?: string
  readonly html?: string
  readonly json: boolean
}

async function askPdp (options: PdpValues, terminal: Terminal): Promise<number> {
  const { policy, given, user: users = [], tenant, html, json } = options
  if (policy !== undefined) throw new UsageError('--policy and --pdp are both given; give one of them')
  if (given !== undefined) throw new UsageError('--given needs --policy; a PDP has its own facts')
  if (html !== undefined) throw new UsageError('--html needs --policy: a PDP does not list its users and rules')
  if (users.length === 0) throw new UsageError('--pdp needs --user: a PDP does not list its users; give --user once for each user')
  const [{ openPdp }, { permissionsText, remotePermissions }] =
    await Promise.all([import('../query/pdp-decision-source.js'), import('../matrix/remote-permissions.js')])
  const pdp = await openPdp(options, terminal.env)
  try {
    const rows = await remotePermissions(pdp, users, tenant)
    terminal.out(json ? jsonLines(rows) : permissionsText(users, rows))
  } finally {
    await pdp.close()
  }
  if (!json) terminal.err([maybe('note: permissions by roles only; conditions on attributes can allow more')])
  return EXIT.ok
}
