// `fastify-permit test`: does a policy do what people expect of it? For CI.
import { writeFile } from 'node:fs/promises'
import { AUTHORITY_OPTIONS, PDP_HELP, WHOM_HELP } from '../asking/authority-options.js'
import { integerOf, parseFilesAndOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { COVERED, type Covered, type CoverageReport } from '../testing/coverage.js'
import type { Expectation } from '../testing/expectations.js'
import { junitOf } from '../testing/junit.js'
import { jsonLines, maybe, no, spansOf, strong, yes, type Line } from '../terminal/line.js'
import { wordsOf } from '../asking/question.js'
import { strangersOf } from '../asking/strangers.js'
import { drawTree } from '../terminal/tree.js'
import type { Result } from '../testing/test-run.js'

const HELP = `Usage: fastify-permit test <file...> --policy <file> [options]

Asks what test files expect, and says what does not hold, with file and line.

A test file is YAML:
  given:                                     # facts to add to the policy's, under its names; may be left out
    users: { ann: {}, ben: { attributes: { level: 3 } } }
    role_assignments: [{ user: ann, role: admin }]
  tests:
    - ann may create, retrieve and delete task in default
    - ben may not delete task:1
    - user: { key: ben, attributes: { level: 5 } }
      resource: { type: report, attributes: { draft: false } }
      may: [read]
      may_not: [edit]

An expectation about a resource type, an action or a tenant that the policy does not have never holds, not even as "may
not": it is a typing mistake, and would hold whatever the policy says.

${WHOM_HELP}

${PDP_HELP}

Options:
  --explain           shows why, as fastify-permit explain does, for each expectation that does not hold
  --coverage          lists the permissions, roles, sets, rules and derivations of the policy that no test touches
  --coverage-min <n>  fails when less than n percent of them are touched
  --junit <file>      writes the results as JUnit's XML, too
  --json              prints the results as JSON
  --help              this text

Exit codes:
  0  everything holds
  1  something does not hold, or the coverage is too low
  2  the arguments cannot be used
  3  not everything could be asked: a file cannot be used, or the PDP gave no decision

Examples:
  fastify-permit test permit.test.yaml --policy permit.yaml
  fastify-permit test tests/*.yaml --policy permit.yaml --coverage-min 90
  fastify-permit test permit.test.yaml --pdp http://localhost:7766 --explain`

/** The command. */
export const testCommand: Command = {
  name: 'test',
  summary: 'does the policy do what test files expect? For CI',
  help: HELP,
  exitCodeOnError: EXIT.unanswered,

  async run (args, terminal) {
    const { given: _, ...authority } = AUTHORITY_OPTIONS
    const { files, options } = parseFilesAndOptions(args, {
      ...authority,
      explain: { type: 'boolean', default: false },
      coverage: { type: 'boolean', default: false },
      'coverage-min': { type: 'string' },
      junit: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    if (files.length === 0) throw new UsageError('no test file is given; fastify-permit test permit.test.yaml --policy permit.yaml')
    const minimum = options['coverage-min'] === undefined ? undefined : integerOf('coverage-min', options['coverage-min'], 0, 100)
    const wantsCoverage = options.coverage || minimum !== undefined
    if (wantsCoverage && options.policy === undefined) throw new UsageError('coverage is given without --policy; what a PDP over HTTP could be asked is not known')

    // Not before it is needed: help and mistakes need no engine.
    const { runTests } = await import('../testing/test-run.js')
    const { results, coverage } = await runTests(files, options, terminal)
    const report = wantsCoverage ? coverage : undefined
    const tooLow = report !== undefined && minimum !== undefined && report.percent < minimum

    if (options.junit !== undefined) await writeFile(options.junit, junitOf(files.map(file => ({ file, cases: results.filter(result => result.file === file).map(toCase) }))))
    const failed = results.filter(({ failure }) => failure !== undefined)
    const notes = [...notesOn(results), ...await strangersIn(options.policy)]
    if (options.json) {
      terminal.out(jsonLines({ ok: failed.length === 0 && !tooLow, total: results.length, failed: failed.length, results: results.map(toJson), notes, coverage: report }))
    } else {
      for (const result of failed) terminal.out(describe(result))
      for (const note of notes) terminal.out([maybe(`note: ${note}`)])
      if (report !== undefined) terminal.out(describeCoverage(report))
      if (tooLow) terminal.out([no(`The coverage is ${report.percent} %, less than ${minimum} %.`)])
      terminal.out([summary(results.length, failed.length)])
    }
    return failed.length === 0 && !tooLow ? EXIT.ok : EXIT.no
  }
}

/** The policy's rules that hold for those whom it does not name. */
async function strangersIn (policy: string | undefined): Promise<string[]> {
  if (policy === undefined) return []
  const { openPolicy } = await import('../asking/authority.js')
  return strangersOf((await openPolicy(policy)).engine)
}

/** What holds, and perhaps for another reason than was meant. */
function notesOn (results: readonly Result[]): string[] {
  const strangers = new Map<string, number>()
  for (const { expectation: { query, may }, answer } of results) {
    if (!may && answer.code === 'user_not_synced') strangers.set(query.user.key, (strangers.get(query.user.key) ?? 0) + 1)
  }
  return Array.from(strangers, ([user, count]) => `${user} is not known to the policy, and so may nothing: ${count === 1 ? 'an expectation holds' : `${count} expectations hold`} for that reason`)
}

function describe ({ file, expectation, failure = '', tree }: Result): Line[] {
  const { line, column, name } = expectation
  return [
    [no('✗'), ` ${file}:${line}:${column}  `, strong(expected(expectation)), name === undefined ? '' : ` — ${name}`],
    `    ${failure}`,
    ...(tree === undefined ? [] : drawTree(tree).map(line => ['    ', ...spansOf(line)]))
  ]
}

function expected ({ query, may }: Expectation): string {
  return wordsOf(query, may ? 'may' : 'may not')
}

function describeCoverage ({ touched, total, percent, untouched }: CoverageReport): Line[] {
  const kinds = Object.keys(COVERED) as Covered[]
  return [
    ...kinds.filter(kind => untouched[kind].length > 0).flatMap(kind => [`${COVERED[kind]}:`, ...untouched[kind].map(words => maybe(`  ${words}`))]),
    `Tests touch ${touched} of ${total} parts of the policy (${percent} %).`
  ]
}

function summary (total: number, failed: number): Line {
  const expectations = total === 1 ? '1 expectation' : `${total} expectations`
  if (failed === 0) return yes(`${expectations}: ${total === 1 ? 'it holds' : 'all hold'}.`)
  return no(`${expectations}: ${failed} ${failed === 1 ? 'does' : 'do'} not hold.`)
}

function toJson ({ file, expectation, answer, failure }: Result): object {
  const { query: { user, action, resource }, may, name, line, column } = expectation
  const { allow, code, reason } = answer
  return {
    ok: failure === undefined,
    file,
    line,
    column,
    name,
    user: user.key,
    action,
    resource: resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`,
    tenant: resource.tenant,
    expected: may ? 'allow' : 'deny',
    allow,
    code,
    reason,
    failure
  }
}

function toCase ({ expectation, failure }: Result): { readonly name: string, readonly line: number, readonly failure?: string } {
  return { name: expected(expectation), line: expectation.line, ...(failure === undefined ? {} : { failure }) }
}
