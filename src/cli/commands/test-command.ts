// `fastify-permit test`: checks that a policy does what test files expect. For CI.
import { writeFile } from 'node:fs/promises'
import { SOURCE_HELP, SOURCE_OPTIONS, PDP_HELP } from '../query/decision-source-options.js'
import { sentenceOf } from '../../engine/explain/decision-tree.js'
import { integerOf, parseFilesAndOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { jsonLines, maybe, no, spansOf, strong, yes, type Line } from '../terminal/styled-line.js'
import { drawTree } from '../terminal/tree.js'
import { COVERED, type Covered, type CoverageReport } from '../testing/coverage.js'
import { isNegative, type Expectation } from '../testing/expectations.js'
import { listTitleOf } from '../testing/list-title.js'
import { junitOf, type JunitCase } from '../testing/junit.js'
import type { Result } from '../testing/test-run.js'

const HELP = `Usage: fastify-permit test <file...> --policy <file> [options]

Checks the expectations in test files, and prints the failed ones with file and line.

A test file is YAML:
  given:                                     # optional: facts to add to those of the policy
    users: { ann: {}, ben: { attributes: { level: 3 } } }
    role_assignments: [{ user: ann, role: admin }]
  now: '2027-01-31T18:00:00Z'                # optional: the time that conditions see as "now"
  tests:
    - ann may create, retrieve and delete task in default
    - ben may not delete task:1
    - user: { key: ben, attributes: { level: 5 } }
      resource: { type: report, attributes: { draft: false } }
      may: [read]
      may_not: [edit]
    - user: ben
      lists:                                 # which rows plan() finds: exactly, contains or excludes keys
        - { action: read, type: report, exactly: ['1', '3'] }

A list is made of the resource instances of the type, or of "rows: [{ key, tenant, attributes }]" beside its "action".

An expectation with a resource type, an action or a tenant that is not in the policy always fails, even a "may not": it is most
likely a typing mistake, and would pass with any policy. With --pdp, only a PDP that gives reasons, as the local PDP does, tells which
names it has. For another PDP such a "may not" passes, and a note lists the permissions and tenants for which no question was allowed.

${SOURCE_HELP}

${PDP_HELP}

Options:
  --explain           explain each failed expectation, as fastify-permit explain does
  --coverage          list the permissions, roles, sets, rules and derivations of the policy that no test uses
  --coverage-min <n>  fail when tests use less than n percent of them
  --junit <file>      also write the results as JUnit XML
  --json              print the results as JSON
  --help              show this help

Exit codes:
  0  all expectations passed
  1  an expectation failed, or the coverage is too low
  2  the arguments are invalid
  3  the tests could not be completed: a file is invalid, or the PDP gave no decision

Examples:
  fastify-permit test permit.test.yaml --policy permit.yaml
  fastify-permit test tests/*.yaml --policy permit.yaml --coverage-min 90
  fastify-permit test permit.test.yaml --pdp http://localhost:7766 --explain`

/** The command. */
export const testCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { given: _, ...source } = SOURCE_OPTIONS
    const { files, options } = parseFilesAndOptions(args, {
      ...source,
      explain: { type: 'boolean', default: false },
      coverage: { type: 'boolean', default: false },
      'coverage-min': { type: 'string' },
      junit: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    if (files.length === 0) throw new UsageError('no test file is given; write fastify-permit test permit.test.yaml --policy permit.yaml')
    const minimum = options['coverage-min'] === undefined ? undefined : integerOf('coverage-min', options['coverage-min'], 0, 100)
    const wantsCoverage = options.coverage || minimum !== undefined
    if (wantsCoverage && options.policy === undefined) {
      throw new UsageError('--coverage and --coverage-min need --policy; the parts of the policy of a PDP are not known')
    }

    // Imported here, because help and invalid arguments need no engine.
    const { runTests } = await import('../testing/test-run.js')
    const { results, notes: notesOnPolicy, coverage } = await runTests(files, options, terminal)
    const report = wantsCoverage ? coverage : undefined
    const tooLow = report !== undefined && minimum !== undefined && report.percent < minimum

    if (options.junit !== undefined) {
      const suites = files.map(file => ({ file, cases: results.filter(result => result.file === file).map(toCase) }))
      await writeFile(options.junit, junitOf(suites))
    }
    const failed = results.filter(({ failure }) => failure !== undefined)
    const notes = [...notesOn(results), ...notesOnPolicy]
    if (options.json) {
      const ok = failed.length === 0 && !tooLow
      terminal.out(jsonLines({ ok, total: results.length, failed: failed.length, results: results.map(toJson), notes, coverage: report }))
    } else {
      for (const result of failed) terminal.out(linesOf(result))
      for (const note of notes) terminal.out([maybe(`note: ${note}`)])
      if (report !== undefined) terminal.out(coverageLines(report))
      if (tooLow) terminal.out([no(`The coverage is ${report.percent} %, which is below ${minimum} %.`)])
      terminal.out([summary(results.length, failed.length)])
    }
    return failed.length === 0 && !tooLow ? EXIT.ok : EXIT.no
  }
}

/** Expectations that passed, but perhaps not for the intended reason. */
function notesOn (results: readonly Result[]): string[] {
  const unknownUsers = new Map<string, number>()
  for (const { expectation, answer } of results) {
    const { query } = expectation
    if (!isNegative(expectation) || answer.code !== 'user_not_synced') continue
    unknownUsers.set(query.user.key, (unknownUsers.get(query.user.key) ?? 0) + 1)
  }
  return Array.from(unknownUsers, ([user, count]) =>
    `${user} is not in the policy, so everything is denied: ${expectations(count)} passed for this reason`)
}

function linesOf ({ file, expectation, failure = '', tree }: Result): Line[] {
  const { line, column, name } = expectation
  return [
    [no('✗'), ` ${file}:${line}:${column}  `, strong(titleOf(expectation)), name === undefined ? '' : ` — ${name}`],
    `    ${failure}`,
    ...(tree === undefined ? [] : drawTree(tree).map(line => ['    ', ...spansOf(line)]))
  ]
}

function titleOf (expectation: Expectation): string {
  if (expectation.list !== undefined) return listTitleOf(expectation)
  return sentenceOf(expectation.query, expectation.may ? 'may' : 'may not')
}

function coverageLines ({ touched, total, percent, untouched }: CoverageReport): Line[] {
  const kinds = Object.keys(COVERED) as Covered[]
  return [
    ...kinds.filter(kind => untouched[kind].length > 0)
      .flatMap(kind => [`${COVERED[kind]}:`, ...untouched[kind].map(part => maybe(`  ${part}`))]),
    `The tests cover ${touched} of ${total} parts of the policy (${percent} %).`
  ]
}

function summary (total: number, failed: number): Line {
  return failed === 0 ? yes(`${expectations(total)} passed.`) : no(`${failed} of ${expectations(total)} failed.`)
}

function expectations (count: number): string {
  return count === 1 ? '1 expectation' : `${count} expectations`
}

function toJson ({ file, expectation, answer, listed, failure }: Result): object {
  const { query: { user, action, resource }, list, name, line, column } = expectation
  const { allow, code, reason } = answer
  const outcome = list === undefined
    ? { expected: expectation.may ? 'allow' : 'deny', allow, code, reason }
    : { expected: { [list.how]: list.keys }, listed }
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
    ...outcome,
    failure
  }
}

function toCase ({ expectation, failure }: Result): JunitCase {
  return { name: titleOf(expectation), line: expectation.line, ...(failure === undefined ? {} : { failure }) }
}
