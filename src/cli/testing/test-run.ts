// Asks what test files expect, and compares.
import { readPolicyFile } from '../../environment/file/policy-file.js'
import { openAuthority, policyAuthority } from '../asking/authority.js'
import { type Answer, type Authority } from '../asking/answer.js'
import type { AuthorityValues } from '../asking/authority-options.js'
import type { Terminal } from '../terminal/terminal.js'
import { Coverage, type CoverageReport } from './coverage.js'
import { readExpectations, type Expectation, type Expectations } from './expectations.js'
import { explain } from '../asking/explanation.js'
import { FileError } from '../terminal/file-error.js'
import { withGiven } from './given.js'
import type { Branch } from '../terminal/tree.js'

/** Whom to ask, and how much to tell. */
export interface TestOptions extends AuthorityValues {
  /** Whether to tell why, of what does not hold. */
  readonly explain: boolean
}

/** How an expectation came out. */
export interface Result {
  readonly file: string
  readonly expectation: Expectation
  readonly answer: Answer
  /** Why it does not hold; it holds without one. */
  readonly failure?: string
  readonly tree?: Branch
}

/** Codes that say that the question has no sense to this policy. */
const SENSELESS: ReadonlySet<string | undefined> = new Set(['no_such_resource', 'no_such_action', 'no_such_tenant'])

/** Questions on their way at a time. */
const CONCURRENCY = 16

/** How everything came out. */
export interface TestRun {
  /** In the order of the files. */
  readonly results: readonly Result[]
  /** Of a policy file; what a PDP could be asked is not known. */
  readonly coverage?: CoverageReport
}

/**
 * Runs test files.
 *
 * @throws `UsageError`, `PolicyError`, `FileError` or `NoDecisionError` when not everything could be asked
 */
export async function runTests (files: readonly string[], options: TestOptions, terminal: Terminal): Promise<TestRun> {
  const documents = await Promise.all(files.map(readExpectations))
  const { policy, pdp } = options
  return policy !== undefined && pdp === undefined ? testPolicy(policy, documents, options.explain) : testPdp(documents, options, terminal)
}

async function testPolicy (file: string, documents: readonly Expectations[], wantsTrees: boolean): Promise<TestRun> {
  const policy = await readPolicyFile(file)
  const coverage = new Coverage(policy)
  const results: Result[] = []
  for (const document of documents) {
    // Each file is about facts of its own.
    const authority = policyAuthority(file, withGiven(policy, document))
    for (const expectation of document.expectations) {
      coverage.note(expectation.query, authority.engine.trace(expectation.query))
      results.push(await ask(authority, document.file, expectation, wantsTrees))
    }
  }
  return { results, coverage: coverage.report() }
}

async function testPdp (documents: readonly Expectations[], options: TestOptions, terminal: Terminal): Promise<TestRun> {
  const authority = await openAuthority(options, terminal)
  try {
    const withFacts = documents.find(({ given }) => given !== undefined)
    if (withFacts !== undefined) throw new FileError(`${withFacts.file} has facts under "given", which cannot be given to a PDP over HTTP: it has its own; test the file with --policy`)
    const all = documents.flatMap(({ file, expectations }) => expectations.map(expectation => ({ file, expectation })))
    const results = new Array<Result>(all.length)
    const next = all.entries()
    const work = async (): Promise<void> => {
      for (const [index, { file, expectation }] of next) results[index] = await ask(authority, file, expectation, options.explain)
    }
    await Promise.all(Array.from({ length: CONCURRENCY }, work))
    return { results }
  } finally {
    await authority.close()
  }
}

async function ask (authority: Authority, file: string, expectation: Expectation, wantsTree: boolean): Promise<Result> {
  const answer = await authority.ask(expectation.query)
  const failure = failureOf(expectation, answer)
  if (failure === undefined) return { file, expectation, answer }
  return { file, expectation, answer, failure, ...(wantsTree ? { tree: (await explain(authority, expectation.query)).tree } : {}) }
}

function failureOf ({ may }: Expectation, { allow, code, reason = 'without a reason' }: Answer): string | undefined {
  if (SENSELESS.has(code)) return `cannot be asked: ${reason}`
  if (may === allow) return undefined
  return allow ? `but may: ${reason}` : `but may not: ${reason}${code === undefined ? '' : ` (${code})`}`
}
