// Reads a test file: from sentences to queries with their expected answers, each with its place in the file.
import { QueryError } from '../../contract/errors.js'
import type { Query } from '../../contract/point.js'
import { createQuery, splitResource, type ContextInput, type ResourceInput, type UserInput } from '../../decision/query.js'
import { describeProblems, PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import { shapeProblems } from '../../engine/policy/document-shape.js'
import { readText } from '../../environment/file/text-file.js'
import { parseYaml } from '../../environment/file/yaml-file.js'
import { parseInstant } from '../../kit/instant.js'
import { splitAtColon } from '../../kit/split-at-colon.js'
import { suggest } from '../../kit/suggest.js'
import { FileError } from '../terminal/file-error.js'
import {
  ExpectationsSchema, SENTENCE_PATTERN, type ExpectationsDocument, type ExpectedList, type Given, type LongExpectation
} from './expectations-schema.js'

/** A query and the expected answer. */
export interface CheckExpectation extends Place {
  readonly query: Query
  readonly may: boolean
  readonly list?: undefined
}

/** The expectation about a list. */
export interface ListExpectation extends Place {
  /** The action on the type. */
  readonly query: Query
  readonly list: {
    readonly how: 'exactly' | 'contains' | 'excludes'
    readonly keys: readonly string[]
    /** Undefined: the instances that the policy and the test file have. */
    readonly rows?: readonly ExpectedRow[]
  }
}

/** A row of a list. */
export interface ExpectedRow {
  readonly key: string
  readonly tenant: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** An expectation of a test file. */
export type Expectation = CheckExpectation | ListExpectation

/** Whether it expects a denial, or an empty list. */
export function isNegative ({ may, list }: { readonly may?: boolean } & Pick<Expectation, 'list'>): boolean {
  return list === undefined ? may !== true : list.how === 'excludes' || list.keys.length === 0
}

interface Place {
  /** The time of the question, ms since 1970. Default: that of the run. */
  readonly now?: number
  /** The description in the test file. */
  readonly name?: string
  /** The place in the file, from 1. */
  readonly line: number
  readonly column: number
}

/** The content of a test file. */
export interface Expectations {
  readonly file: string
  readonly given?: Given
  /** The time of its questions, ms since 1970. Default: that of the run. */
  readonly now?: number
  readonly expectations: readonly Expectation[]
  /** Adds the places in the file to problems. */
  locate (problems: readonly PolicyProblem[]): PolicyProblem[]
}

type Path = ReadonlyArray<string | number>

const MAX_BYTES = 4 * 1024 * 1024
const WORDS = { noun: 'test file', begin: "write expectations under 'tests:'", shorten: 'split it in two' }
const SENTENCE = new RegExp(SENTENCE_PATTERN)
const FORM = "write '<user> may <action> <resource> in <tenant>', such as 'ann may not delete task:1 in default'"

/**
 * Reads and validates a test file.
 *
 * @throws {@link FileError} with all problems and their places
 */
export async function readExpectations (file: string): Promise<Expectations> {
  try {
    return parseExpectations(await readText(file, MAX_BYTES, WORDS), file)
  } catch (error) {
    throw error instanceof PolicyError ? new FileError(describeProblems('test file', error.problems)) : error
  }
}

/**
 * Parses and validates a test file.
 *
 * @throws `PolicyError` with all problems and their places
 */
export function parseExpectations (text: string, file: string): Expectations {
  const { value, duplicates, locate } = parseYaml(text, { file, maxBytes: MAX_BYTES, words: WORDS })
  const shape = withQuotes(shapeProblems(ExpectationsSchema, value))
  if (shape.length + duplicates.length > 0) throw new PolicyError([...duplicates, ...locate(shape)])
  // The shape was validated above.
  const document = value as ExpectationsDocument
  const reader = new Reader(document.tenant)
  const now = reader.begin(document.now)
  document.tests.forEach((test, index) => {
    if (typeof test === 'string') reader.sentence(test, ['tests', index])
    else reader.block(test, ['tests', index])
  })
  if (document.tests.length === 0) reader.problem(['tests'], 'there are no tests', FORM)
  if (reader.problems.length > 0) throw new PolicyError(locate(reader.problems))
  const { given } = document
  const common = { ...(given === undefined ? {} : { given }), ...(now === undefined ? {} : { now }) }
  return { file, ...common, expectations: placed(reader.expectations, locate), locate }
}

/** An expectation with its path in the document instead of its place in the file. */
type Unplaced = (Omit<CheckExpectation, 'line' | 'column'> | Omit<ListExpectation, 'line' | 'column'>) & { readonly path: Path }

/** A question as it was written. */
interface Asked {
  readonly user: UserInput
  readonly action: string
  readonly resource: ResourceInput
  readonly tenant?: string
  readonly context?: ContextInput
  readonly name?: string
  readonly path: Path
}

const ABOUT_LISTS = ['exactly', 'contains', 'excludes'] as const

class Reader {
  readonly expectations: Unplaced[] = []
  readonly problems: PolicyProblem[] = []
  readonly #tenant: string | undefined
  #now: number | undefined

  constructor (tenant: string | undefined) {
    this.#tenant = tenant
  }

  /** The time of the file. Returns it as a number. */
  begin (now: string | undefined): number | undefined {
    this.#now = this.#instant(now, ['now'])
    return this.#now
  }

  #instant (text: string | undefined, path: Path): number | undefined {
    const now = parseInstant(text)
    if (text !== undefined && now === undefined) {
      this.problem(path, `'${text}' is not a time with its zone`, 'write a time such as "2027-01-31T18:00:00Z"')
    }
    return now
  }

  problem (path: Path, message: string, hint: string): void {
    this.problems.push({ path, message, hint })
  }

  /** `ann may not create or delete task:1 in tenant2` */
  sentence (sentence: string, path: Path): void {
    if (!SENTENCE.test(sentence)) {
      this.problem(path, `'${sentence}' is not an expectation`, FORM)
      return
    }
    const [user = '', , ...rest] = sentence.trim().split(/\s+/)
    const may = rest[0] !== 'not'
    if (!may) rest.shift()
    const tenant = rest.at(-2) === 'in' && rest.length > 3 ? rest.splice(-2)[1] : undefined
    const resource = rest.pop() ?? ''
    for (const action of actionsOf(rest.join(' '))) this.#add({ user, action, resource, tenant, path }, may)
  }

  /** Several expectations about one user. */
  block (block: LongExpectation, path: Path): void {
    const { may = [], may_not: mayNot = [], lists = [], resource, now } = block
    const ofFile = this.#now
    if (now !== undefined) this.#now = this.#instant(now, [...path, 'now'])
    if (may.length + mayNot.length + lists.length === 0) {
      this.problem(path, 'the block expects nothing', "add 'may' or 'may_not' with permissions, or 'lists'")
    } else if (may.length + mayNot.length === 0 && resource !== undefined) {
      const hint = "remove it; a list names its 'type', and its 'rows' have attributes"
      this.problem([...path, 'resource'], "'resource' is for 'may' and 'may_not' only", hint)
    }
    may.forEach((text, index) => this.#permission(block, text, true, [...path, 'may', index]))
    mayNot.forEach((text, index) => this.#permission(block, text, false, [...path, 'may_not', index]))
    lists.forEach((list, index) => this.#list(block, list, [...path, 'lists', index]))
    this.#now = ofFile
  }

  /** Each of `exactly`, `contains` and `excludes` is an expectation. */
  #list ({ user, tenant, context, name }: LongExpectation, written: ExpectedList, path: Path): void {
    const { action, type, rows } = written
    const query = this.#query({ user, action, resource: { type }, tenant, context, path })
    if (query === undefined) return
    const said = ABOUT_LISTS.filter(how => written[how] !== undefined)
    if (said.length === 0) this.problem(path, 'the list expects nothing', "add 'exactly', 'contains' or 'excludes' with keys")
    if (said.includes('exactly') && said.length > 1) {
      this.problem([...path, said[1] as string], `'exactly' has the whole list, so '${said[1]}' adds nothing`, 'remove one of the two')
    }
    const given = rows?.map(row => ({ ...row, tenant: row.tenant ?? query.resource.tenant }))
    const keys = new Set<string>()
    rows?.forEach(({ key }, index) => {
      if (keys.has(key)) this.problem([...path, 'rows', index, 'key'], `there are two rows with the key '${key}'`, 'a key names one row')
      keys.add(key)
    })
    for (const how of said) {
      const expected = written[how] ?? []
      if (expected.length === 0 && how !== 'exactly') {
        this.problem([...path, how], `'${how}' has no keys`, "write keys, or 'exactly: []' for an empty list")
      }
      expected.forEach((key, index) => {
        const at = [...path, how, index]
        if (expected.indexOf(key) < index) this.problem(at, `the key '${key}' is there twice`, 'remove one')
        else if (rows !== undefined && !keys.has(key)) {
          this.problem(at, `no row has the key '${key}'`, suggest(key, keys, "add it to 'rows'"))
        }
      })
      const list = { how, keys: expected, rows: given }
      this.expectations.push({ query, list, path: [...path, how], ...this.#common(name) })
    }
  }

  #permission ({ user, tenant, resource, context, name }: LongExpectation, text: string, may: boolean, path: Path): void {
    const common = { user, tenant, context, name, path }
    const [first = '', second, ...others] = text.trim().split(/\s+/)
    if (second !== undefined) {
      if (others.length > 0 || resource !== undefined) {
        const form = resource === undefined ? "'task:create' or 'retrieve task:1'" : "an action only: 'resource' names the resource"
        this.problem(path, `'${text}' is not a permission`, `write ${form}`)
      } else {
        this.#add({ ...common, action: first, resource: second }, may)
      }
      return
    }
    const { before, after } = splitAtColon(first)
    if (resource !== undefined) {
      const type = typeof resource === 'string' ? splitAtColon(resource).before : resource.type
      if (after !== undefined && before !== type) this.problem(path, `'${first}' is not an action of '${type}'`, 'write one of its actions')
      else this.#add({ ...common, action: after ?? first, resource }, may)
    } else if (before === '' || after === undefined || after === '') {
      this.problem(path, `'${first}' is not a permission`, "write 'task:create' or 'retrieve task:1', or add 'resource' beside 'may'")
    } else {
      this.#add({ ...common, action: after, resource: before }, may)
    }
  }

  #add (asked: Asked, may: boolean): void {
    const query = this.#query(asked)
    if (query === undefined) return
    const { name, path } = asked
    this.expectations.push({ query, may, path, ...this.#common(name) })
  }

  #common (name: string | undefined): { readonly name?: string, readonly now?: number } {
    return { ...(name === undefined ? {} : { name }), ...(this.#now === undefined ? {} : { now: this.#now }) }
  }

  #query ({ user, action, resource, tenant = this.#tenant, context, path }: Asked): Query | undefined {
    try {
      const what = typeof resource === 'string' ? splitResource(resource) : resource
      return createQuery(user, action, what, tenant, context)
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      this.problem(path, error.message, FORM)
      return undefined
    }
  }
}

/** `create, retrieve and delete` */
function actionsOf (list: string): string[] {
  return list.split(/,\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+/)
}

/** Replaces paths by places in the file. */
function placed (expectations: readonly Unplaced[], locate: Expectations['locate']): Expectation[] {
  return expectations.map(({ path, ...expectation }) => {
    const [{ line = 1, column = 1 } = {}] = locate([{ path, message: '', hint: '' }])
    return { ...expectation, line, column }
  })
}

/** YAML reads `- ann may read doc: 1` as a map: replaces the problems of that map by one about the sentence. */
function withQuotes (problems: readonly PolicyProblem[]): PolicyProblem[] {
  const sentences = problems.filter(({ message, path }) => message.startsWith('unknown property') && / may /.test(String(path.at(-1))))
  const mistaken = new Set(sentences.map(({ path }) => path.slice(0, -1).join('/')))
  return [
    ...problems.filter(({ path }) => !mistaken.has(path.join('/')) && !mistaken.has(path.slice(0, -1).join('/'))),
    ...sentences.map(({ path }) =>
      ({ path, message: 'a colon followed by a space turns this sentence into a map', hint: 'put it in quotes, or remove the space' }))
  ]
}
