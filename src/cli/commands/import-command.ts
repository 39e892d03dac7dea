// `fastify-permit import`: a policy file from what another system says.
import { parseFilesAndOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'

const HELP = `Usage: fastify-permit import casbin <model.conf> <policy.csv> [--out <file>]
       fastify-permit import openapi <document> [--out <file>]

casbin: writes a policy file that decides as casbin does. Rules (p) become roles with permissions, roles (g) become role assignments and
role inheritance, domains become tenants. What a policy file cannot say, such as keyMatch, a rule that denies, priorities or a condition,
is refused with its file and line, and nothing is written.

openapi: writes the resource types and actions that an OpenAPI document, JSON or YAML, has in x-permit-resource, x-permit-action and
x-permit-requires. @fastify/swagger with fastify-permit writes such documents. The roles are left to you.

Options:
  --out <file>   the file to write, .yaml, .yml or .json; default: standard output
  --yes          replace an existing file
  --user <name>  casbin: a role that is a user as well; may be repeated
  --help         show this help

Exit codes:
  0  the policy was written
  1  it was not, and the message says why
  2  the arguments are invalid

Examples:
  fastify-permit import casbin model.conf policy.csv --out permit.yaml
  fastify-permit import openapi openapi.json --out permit.yaml`

/** The command. */
export const importCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { files: [source, ...files], options: { out, yes, user: users } } = parseFilesAndOptions(args, {
      out: { type: 'string' },
      yes: { type: 'boolean', default: false },
      user: { type: 'string', multiple: true, default: [] }
    })
    if (source === 'casbin') {
      const { importFromCasbin } = await import('../importing/import-casbin.js')
      await importFromCasbin(files, { out, yes, users }, terminal)
    } else if (source === 'openapi') {
      if (users.length > 0) throw new UsageError('--user is for casbin only')
      const { importFromOpenApi } = await import('../importing/import-openapi.js')
      await importFromOpenApi(files, { out, yes }, terminal)
    } else {
      throw new UsageError('say what to import: casbin or openapi')
    }
    return EXIT.ok
  }
}
