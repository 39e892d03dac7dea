// `fastify-permit routes`: what each route of an app requires, for people and for CI.
import { parseFilesAndOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { jsonLines, maybe, no, type Line } from '../terminal/line.js'
import { routesMarkdown, routesText } from '../looking/routes-table.js'
import { closest } from '../../kit/suggest.js'
import type { RouteRow } from '../../fastify/route-table.js'

const HELP = `Usage: fastify-permit routes <app file> [options]

Loads an app, waits until it is ready without listening, and shows what each of its routes requires. The file exports a Fastify
app, a function that makes one, or a plugin as fastify-cli starts it: as default, app, buildApp or build. What the file does when
it is loaded, it does here, too. For TypeScript, Node needs its loader: NODE_OPTIONS=--import=tsx.

Options:
  --policy <file>    a policy file; permissions that it does not have are flagged, and those of it that no route requires
  --strict           routes that say neither what they require nor that they are public fail
  --fail-on-unused   permissions of the policy that no route requires fail; what handlers ask for themselves is not known here

Output:
  --json             { "routes": [...], "undeclared": [...], "unknown": [...], "unused": [...] }
  --markdown         a table for a document
  --help             this text

Exit codes:
  0  all is well
  1  something was found: a permission that the policy does not have; with --strict, or with strict: true in the app, a route
     that says nothing; with --fail-on-unused, a permission that no route requires
  2  the arguments cannot be used
  3  the app or the policy cannot be loaded

Examples:
  fastify-permit routes dist/app.js --strict --policy permit.yaml
  fastify-permit routes dist/app.js --markdown > routes.md`

/** The command. */
export const routesCommand: Command = {
  name: 'routes',
  summary: 'what does each route of an app require? And does the policy know it?',
  help: HELP,
  exitCodeOnError: EXIT.unanswered,

  async run (args, terminal) {
    const { files: [file, ...more], options } = parseFilesAndOptions(args, {
      policy: { type: 'string' },
      strict: { type: 'boolean', default: false },
      'fail-on-unused': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false }
    })
    if (file === undefined) throw new UsageError('the file of the app is missing')
    if (more.length > 0) throw new UsageError('expected one file')
    if (options.json && options.markdown) throw new UsageError('--json and --markdown are both given; give one of them')
    if (options['fail-on-unused'] && options.policy === undefined) throw new UsageError('--fail-on-unused needs --policy')

    // The policy first: a mistake in its name need not start an app.
    const known = options.policy === undefined ? undefined : await permissionsOf(options.policy)
    // Not before it is needed: help and mistakes need no app.
    const { loadApp } = await import('../looking/loaded-app.js')
    const { rows, refusal } = await loadApp(file)
    if (rows === undefined) throw new Error(`${file}: fastify-permit is not registered in this app`)

    const required = new Set(rows.flatMap(({ permissions }) => permissions))
    const undeclared = rows.filter(isUndeclared)
    const unknown = known === undefined ? [] : [...required].filter(permission => !known.has(permission)).sort()
    const unused = known === undefined ? [] : [...known].filter(permission => !required.has(permission)).sort()
    if (options.json) terminal.out(jsonLines({ routes: rows, undeclared: undeclared.map(({ method, url, constraints }) => ({ method, url, constraints })), unknown, unused }))
    else terminal.out(options.markdown ? routesMarkdown(rows) : routesText(rows))

    const isStrict = options.strict || refusal !== undefined
    const flagged = unknown.map(permission => withNearest(permission, known ?? []))
    if (!options.json) terminal.err(findings({ undeclared, unknown: flagged, unused }))
    return unknown.length > 0 || (isStrict && undeclared.length > 0) || (options['fail-on-unused'] && unused.length > 0) ? EXIT.failed : EXIT.ok
  }
}

/** A route that says nothing, or of which nobody knows what it says. */
function isUndeclared ({ public: isPublic, guardedBy }: RouteRow): boolean {
  return !isPublic && (guardedBy === null || guardedBy === 'unknown')
}

async function permissionsOf (policy: string): Promise<Set<string>> {
  const { readPolicyFile } = await import('../../environment/file/policy-file.js')
  const { resources } = await readPolicyFile(policy)
  return new Set(Object.entries(resources ?? {}).flatMap(([type, { actions }]) => Object.keys(actions).map(action => `${type}:${action}`)))
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

function findings ({ undeclared, unknown, unused }: Findings): Line[] {
  const lines: Line[] = []
  if (undeclared.length > 0) lines.push([no('Say nothing:'), ` ${undeclared.map(({ method, url }) => `${method} ${url}`).join(', ')}`])
  if (unknown.length > 0) lines.push([no('Not in the policy:'), ` ${unknown.join(', ')}`])
  if (unused.length > 0) lines.push([maybe('In the policy, and required by no route:'), ` ${unused.join(', ')}`])
  return lines
}
