// `fastify-permit routes`: what each route of an app requires, for developers and for CI.
import type { RouteRow } from '../../fastify/route-table.js'
import { closest } from '../../kit/suggest.js'
import { permissionsOf } from '../typegen/policy-names.js'
import { routesMarkdown, routesText } from '../routes/routes-table.js'
import { parseFilesAndOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { jsonLines, maybe, no, type Line } from '../terminal/styled-line.js'

const HELP = `Usage: fastify-permit routes <app file> [options]

Loads an app, waits until it is ready without listening, and shows what each of its routes requires. The file exports a Fastify
app, a function that creates one, or a plugin as for fastify-cli: as default, app, buildApp or build. Loading the file runs it, with
all its side effects. For TypeScript, Node needs a loader: NODE_OPTIONS=--import=tsx.

Options:
  --policy <file>    a policy file; reports permissions that are not in the policy, and those that no route requires
  --strict           fail when a route neither requires a permission nor is declared public
  --fail-on-unused   fail when no route requires a permission of the policy; checks inside handlers are not detected

Output:
  --json             print JSON: { "routes": [...], "undeclared": [...], "unknown": [...], "unused": [...] }
  --markdown         print a Markdown table
  --help             show this help

Exit codes:
  0  no problem was found
  1  a problem was found: a permission that is not in the policy; with --strict, or with strict: true in the app, a route that
     declares nothing; with --fail-on-unused, a permission that no route requires
  2  the arguments are invalid
  3  the app or the policy cannot be loaded

Examples:
  fastify-permit routes dist/app.js --strict --policy permit.yaml
  fastify-permit routes dist/app.js --markdown > routes.md`

/** The command. */
export const routesCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { files: [file, ...more], options } = parseFilesAndOptions(args, {
      policy: { type: 'string' },
      strict: { type: 'boolean', default: false },
      'fail-on-unused': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false }
    })
    if (file === undefined) throw new UsageError('the app file is missing')
    if (more.length > 0) throw new UsageError('expected one app file')
    if (options.json && options.markdown) throw new UsageError('--json and --markdown are both given; give one of them')
    if (options['fail-on-unused'] && options.policy === undefined) throw new UsageError('--fail-on-unused needs --policy')

    // The policy is read first: an invalid one is reported without starting the app.
    const known = options.policy === undefined ? undefined : await permissionsIn(options.policy)
    // Imported here, because help and invalid arguments need no app.
    const { loadApp } = await import('../routes/load-app.js')
    const { rows, refusal } = await loadApp(file)
    if (rows === undefined) throw new Error(`${file}: fastify-permit is not registered in this app`)

    const required = new Set(rows.flatMap(({ permissions }) => permissions))
    const undeclared = rows.filter(isUndeclared)
    const unknown = known === undefined ? [] : [...required].filter(permission => !known.has(permission)).sort()
    const unused = known === undefined ? [] : [...known].filter(permission => !required.has(permission)).sort()
    if (options.json) {
      const named = undeclared.map(({ method, url, constraints }) => ({ method, url, constraints }))
      terminal.out(jsonLines({ routes: rows, undeclared: named, unknown, unused }))
    } else {
      terminal.out(options.markdown ? routesMarkdown(rows) : routesText(rows))
    }

    const isStrict = options.strict || refusal !== undefined
    const suggested = unknown.map(permission => withNearest(permission, known ?? []))
    if (!options.json) terminal.err(linesOf({ undeclared, unknown: suggested, unused }))
    const fails = unknown.length > 0 || (isStrict && undeclared.length > 0) || (options['fail-on-unused'] && unused.length > 0)
    return fails ? EXIT.failed : EXIT.ok
  }
}

/** Whether the route declares nothing, or was declared before the plugin, which then cannot read its annotation. */
function isUndeclared ({ public: isPublic, guardedBy }: RouteRow): boolean {
  return !isPublic && (guardedBy === null || guardedBy === 'unknown')
}

async function permissionsIn (policy: string): Promise<Set<string>> {
  const { readPolicyFile } = await import('../../environment/file/policy-file.js')
  return new Set(permissionsOf(await readPolicyFile(policy)))
}

function withNearest (permission: string, known: Iterable<string>): string {
  const nearest = closest(permission, [...known])
  return nearest === undefined ? permission : `${permission} (did you mean ${nearest}?)`
}

interface Findings {
  readonly undeclared: readonly RouteRow[]
  readonly unknown: readonly string[]
  readonly unused: readonly string[]
}

function linesOf ({ undeclared, unknown, unused }: Findings): Line[] {
  const lines: Line[] = []
  if (undeclared.length > 0) lines.push([no('Declare nothing:'), ` ${undeclared.map(({ method, url }) => `${method} ${url}`).join(', ')}`])
  if (unknown.length > 0) lines.push([no('Not in the policy:'), ` ${unknown.join(', ')}`])
  if (unused.length > 0) lines.push([maybe('In the policy, but required by no route:'), ` ${unused.join(', ')}`])
  return lines
}
