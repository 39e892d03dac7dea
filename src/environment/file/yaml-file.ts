// A YAML file that people write and the package reads: every mistake at its line, and no file that can do harm. JSON is YAML, too.

import { isAlias, isCollection, isMap, isNode, isScalar, LineCounter, parseDocument, type Document, type Node, type Pair, type YAMLMap } from 'yaml'
import { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import { suggest } from '../../kit/suggest.js'
import { byPlace, duplicateKey, MAX_PROBLEMS, type ParsedFile, type ParseOptions } from './parsed-file.js'
import { tooLarge, unreadable, type FileWords } from './text-file.js'
import { tooDeepAt } from './yaml-nesting.js'

/** Levels of nesting; the deepest condition that the engine takes needs fewer. */
const MAX_NESTING = 128

/** How often aliases may be resolved, and how much they may multiply: the bound against a billion laughs. */
const MAX_ALIASES = 100

/**
 * Parses a document, YAML or JSON.
 *
 * @throws {@link PolicyError} when it is none, with all problems
 */
export function parseYaml (text: string, { file, maxBytes, words }: ParseOptions): ParsedFile {
  // A character is a byte at least.
  if (text.length > maxBytes) throw unreadable(file, ...tooLarge(text.length, maxBytes, words))
  const lines = new LineCounter()
  const locate = (offset: number): Place => ({ file, line: lines.linePos(offset).line, column: lines.linePos(offset).col })
  const tooDeep = tooDeepAt(text, MAX_NESTING)
  if (tooDeep !== undefined) {
    const before = text.slice(0, tooDeep).split('\n')
    const place = { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
    throw new PolicyError([{ path: [], message: `the file is nested deeper than ${MAX_NESTING} levels`, hint: `no ${words.noun} needs that`, ...place }])
  }
  // Duplicate keys are found below: the library compares each key with each other, which a large file turns into minutes.
  // And nothing is printed: the library's warnings quote the file.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, merge: false, logLevel: 'error' })
  const syntax = syntaxProblems(document, locate, words)
  if (syntax.length > 0) throw new PolicyError(syntax)
  const { duplicates, unresolved } = inspect(document, locate)
  if (unresolved.length > 0) throw new PolicyError([...duplicates, ...unresolved].sort(byPlace))
  const index = new NodeIndex(document)
  return {
    value: valueOf(document, file, words),
    duplicates,
    locate: problems => problems.slice(0, MAX_PROBLEMS).map(problem => ({ ...problem, ...locate(index.offset(problem.path)) })).sort(byPlace)
  }
}

interface Place {
  readonly file: string | undefined
  readonly line: number
  readonly column: number
}

type Locate = (offset: number) => Place
type Path = ReadonlyArray<string | number>

function valueOf (document: Document.Parsed, file: string | undefined, words: FileWords): unknown {
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    throw unreadable(file, 'the file is empty', words.begin)
  }
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (cause) {
    throw unreadable(file, 'the aliases (*) in the file cannot be resolved, or multiply', 'write out what they stand for', cause)
  }
}

function syntaxProblems ({ errors, warnings }: Document.Parsed, locate: Locate, words: FileWords): PolicyProblem[] {
  // A warning is a tag that nobody knows: the value is then something else than it says.
  return [...errors, ...warnings].slice(0, MAX_PROBLEMS).map(({ code, message, pos: [offset] }) => code === 'MULTIPLE_DOCS'
    ? { path: [], message: 'another document begins here', hint: `a ${words.noun} is one document: remove the ---`, ...locate(offset) }
    : { path: [], message, hint: 'the file cannot be read past this', ...locate(offset) })
}

/** What the library does not look at, or only too slowly: keys that are there twice, and aliases of nothing. */
function inspect (document: Document.Parsed, locate: Locate): { duplicates: PolicyProblem[], unresolved: PolicyProblem[] } {
  const duplicates: PolicyProblem[] = []
  const anchors = new Set<string>()
  const aliases: Array<{ readonly source: string, readonly path: Path, readonly offset: number }> = []
  // A stack of our own, and an end: what is inside is as large as the file allows.
  const pending: Array<{ readonly node: unknown, readonly path: Path }> = [{ node: document.contents, path: [] }]
  for (let next = pending.pop(); next !== undefined && duplicates.length < MAX_PROBLEMS; next = pending.pop()) {
    const { node, path } = next
    if (isAlias(node)) aliases.push({ source: node.source, path, offset: offsetOf(node) ?? 0 })
    else if (isNode(node) && 'anchor' in node && typeof node.anchor === 'string') anchors.add(node.anchor)
    if (isMap(node)) {
      duplicates.push(...duplicateKeys(node, path, locate))
      for (const { key, value } of node.items) pending.push({ node: key, path }, { node: value, path: [...path, keyOf(key)] })
    } else if (isCollection(node)) {
      node.items.forEach((item, index) => pending.push({ node: item, path: [...path, index] }))
    }
  }
  const unresolved = aliases.filter(({ source }) => !anchors.has(source)).slice(0, MAX_PROBLEMS).map(({ source, path, offset }) =>
    ({ path, message: `'*${source}' stands for nothing`, hint: suggest(source, anchors, `write '&${source}' where it is defined, or put it in quotes`), ...locate(offset) }))
  return { duplicates, unresolved }
}

function duplicateKeys (map: YAMLMap, path: Path, locate: Locate): PolicyProblem[] {
  const problems: PolicyProblem[] = []
  const seen = new Map<string, number>()
  for (const { key } of map.items) {
    const name = keyOf(key)
    const offset = offsetOf(key) ?? 0
    const first = seen.get(name)
    if (first === undefined) seen.set(name, offset)
    else problems.push({ ...duplicateKey([...path, name], locate(first).line), ...locate(offset) })
  }
  return problems
}

/** Finds nodes by path; remembers the keys of each map, because a file with many mistakes asks for many. */
class NodeIndex {
  readonly #document: Document.Parsed
  readonly #keys = new WeakMap<YAMLMap, Map<string, Pair>>()

  constructor (document: Document.Parsed) {
    this.#document = document
  }

  /** Where the last step of the path begins, or the deepest one that is there. */
  offset (path: Path): number {
    let node: unknown = this.#document.contents
    let offset = offsetOf(node) ?? 0
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(this.#document)
      if (isMap(node)) {
        const pair = this.#pair(node, String(step))
        if (pair === undefined) break
        offset = offsetOf(pair.key) ?? offset
        node = pair.value
      } else if (isCollection(node) && typeof step === 'number') {
        node = node.items[step]
        offset = offsetOf(node) ?? offset
      } else {
        break
      }
    }
    return offset
  }

  #pair (map: YAMLMap, key: string): Pair | undefined {
    let pairs = this.#keys.get(map)
    if (pairs === undefined) this.#keys.set(map, pairs = new Map(map.items.map(pair => [keyOf(pair.key), pair])))
    return pairs.get(key)
  }
}

/** The key as the JavaScript object has it. */
function keyOf (key: unknown): string {
  return isScalar(key) ? String(key.value ?? '') : String(key)
}

function offsetOf (node: unknown): number | undefined {
  return (node as Partial<Node> | null | undefined)?.range?.[0]
}
