// Runs test files: asks each question and compares the answer with the expectation.
import { loadPolicyFile } from '../../environment/file/policy-file.js'
import type { Answer, DecisionSource } from '../query/decision-source-types.js'
import type { SourceValues } from '../query/decision-source-options.js'
import { openSource, policySource } from '../query/decision-source.js'
import { explain } from '../query/explanation.js'
import { openUserSetNotes } from '../query/open-user-set-notes.js'
import { FileError } from '../terminal/file-error.js'
import type { Terminal } from '../terminal/terminal.js'
import type { Branch } from '../../engine/explain/decision-tree.js'
import { Coverage, type CoverageReport } from './coverage.js'
import {
  readExpectations, type CheckExpectation, type Expectation, type Expectations, type ExpectedRow, type ListExpectation
} from './expectations.js'
import { withGiven } from './given-facts.js'
import { notesOnNames } from './names-at-pdp.js'
import { checkOf, instancesOf, testList } from './list-test.js'

/** What to ask, and whether to explain. */
export interface TestOptions extends SourceValues {
  /** Whether to explain failed expectations. */
  readonly explain: boolean
}

/** The result of one expectation. */
export interface Result {
  readonly file: string
  readonly expectation: Expectation
  /** Of a list: the answer for the type, which says whether its names are known. */
  readonly answer: Answer
  /** Keys in the list; undefined for a check, and where there is no list. */
  readonly listed?: readonly string[]
  /** Why it failed; undefined when it passed. */
  readonly failure?: string
  readonly tree?: Branch
}

/** Codes of questions about names that are not in the policy. */
const UNKNOWN_NAME_CODES: ReadonlySet<string | undefined> = new Set(['no_such_resource', 'no_such_action', 'no_such_tenant'])

/** Questions in flight at most. */
const CONCURRENCY = 16

/** The results of all test files. */
export interface TestRun {
  /** In the order of the files. */
  readonly results: readonly Result[]
  /** For a policy file: rules that hold for users who were never synced. For a PDP: names that may not exist there. */
  readonly notes: readonly string[]
  /** For a policy file only: the parts of a PDP's policy are not known. */
  readonly coverage?: CoverageReport
}

/**
 * Runs test files.
 *
 * @throws `UsageError`, `PolicyError`, `FileError` or `NoDecisionError` when the tests cannot be completed
 */
export async function runTests (files: readonly string[], options: TestOptions, terminal: Terminal): Promise<TestRun> {
  const documents = await Promise.all(files.map(readExpectations))
  const { policy, pdp } = options
  if (policy !== undefined && pdp === undefined) return testPolicy(policy, documents, options.explain)
  return testPdp(documents, options, terminal)
}

async function testPolicy (file: string, documents: readonly Expectations[], wantsTrees: boolean): Promise<TestRun> {
  const policy = await loadPolicyFile(file)
  const coverage = new Coverage(policy.schema)
  const results: Result[] = []
  for (const document of documents) {
    // Each test file has its own facts.
    let now: number | undefined
    const source = policySource(file, withGiven(policy, document), undefined, () => now ?? Date.now())
    for (const expectation of document.expectations) {
      now = expectation.now
      const { query, list } = expectation
      coverage.record(query, source.engine.trace(query))
      if (list === undefined) {
        results.push(await ask(source, document.file, expectation, wantsTrees))
        continue
      }
      const rows = list.rows ?? instancesOf(source, query.resource.type)
      // What decides of a row is what the plan is made of.
      for (const row of rows) {
        const about = checkOf(query, row)
        if (row.tenant === query.resource.tenant) coverage.record(about, source.engine.trace(about))
      }
      results.push(await askForList(source, document.file, expectation, rows, wantsTrees))
    }
  }
  return { results, notes: openUserSetNotes(policySource(file, policy).engine), coverage: coverage.report() }
}

async function testPdp (documents: readonly Expectations[], options: TestOptions, terminal: Terminal): Promise<TestRun> {
  const source = await openSource(options, terminal)
  try {
    const withFacts = documents.find(({ given }) => given !== undefined)
    if (withFacts !== undefined) {
      throw new FileError(`${withFacts.file} has facts under "given", but a PDP over HTTP has its own facts; test this file with --policy`)
    }
    for (const { file, expectations } of documents) {
      const timed = expectations.find(({ now }) => now !== undefined)
      if (timed !== undefined) {
        throw new FileError(`${file}:${timed.line}:${timed.column}: the test has a "now", but a PDP over HTTP has its own clock; ` +
          'test this file with --policy')
      }
      const without = expectations.find(({ list }) => list !== undefined && list.rows === undefined)
      if (without !== undefined) {
        throw new FileError(`${file}:${without.line}:${without.column}: the list has no "rows", and which instances a PDP over HTTP has ` +
          'is not known here; add "rows", or test this file with --policy')
      }
    }
    const all = documents.flatMap(({ file, expectations }) => expectations.map(expectation => ({ file, expectation })))
    const results = new Array<Result>(all.length)
    const next = all.entries()
    const work = async (): Promise<void> => {
      for (const [index, { file, expectation }] of next) {
        results[index] = expectation.list === undefined
          ? await ask(source, file, expectation, options.explain)
          : await askForList(source, file, expectation, expectation.list.rows ?? [], options.explain)
      }
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, work))
    return { results, notes: notesOnNames(results) }
  } finally {
    await source.close()
  }
}

async function ask (source: DecisionSource, file: string, expectation: CheckExpectation, wantsTree: boolean): Promise<Result> {
  const answer = await source.ask(expectation.query)
  const failure = failureOf(expectation, answer)
  if (failure === undefined) return { file, expectation, answer }
  return { file, expectation, answer, failure, ...(wantsTree ? { tree: (await explain(source, expectation.query)).tree } : {}) }
}

async function askForList (
  source: DecisionSource, file: string, expectation: ListExpectation, rows: readonly ExpectedRow[], wantsTree: boolean
): Promise<Result> {
  const { query } = expectation
  const answer = await source.ask(query)
  // A list of a type that does not exist is always empty.
  if (UNKNOWN_NAME_CODES.has(answer.code)) return { file, expectation, answer, failure: cannotBeChecked(answer) }
  const { keys: listed, failure, wrong } = await testList(source, expectation, rows)
  const result = { file, expectation, answer, ...(listed === undefined ? {} : { listed }) }
  if (failure === undefined) return result
  if (!wantsTree || wrong.length === 0) return { ...result, failure }
  const branches = await Promise.all(wrong.map(async about => (await explain(source, about)).tree))
  return { ...result, failure, tree: { text: 'row by row', branches } }
}

function cannotBeChecked ({ reason = 'no reason given' }: Answer): string {
  return `cannot be checked: ${reason}`
}

function failureOf ({ may }: CheckExpectation, answer: Answer): string | undefined {
  const { allow, code, reason = 'no reason given' } = answer
  if (UNKNOWN_NAME_CODES.has(code)) return cannotBeChecked(answer)
  if (may === allow) return undefined
  return allow ? `but is allowed: ${reason}` : `but is denied: ${reason}${code === undefined ? '' : ` (${code})`}`
}
