// Parses a YAML file that users write: every mistake has its line, and no file can do harm.

import {
  Composer, isAlias, isCollection, isMap, isScalar, Lexer, LineCounter, Parser, YAMLParseError,
  type Alias, type CST, type Document, type Node, type Pair, type YAMLMap
} from 'yaml'
import { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import { suggest } from '../../kit/suggest.js'
import { byPlace, duplicateKey, MAX_PROBLEMS, type ParsedFile, type ParseOptions } from './parsed-file.js'
import { tooLarge, unreadable, type FileWords } from './text-file.js'
import { Nesting } from './yaml-nesting.js'

/** The most levels of nesting; the deepest condition that the engine accepts needs fewer. */
const MAX_NESTING = 128

/** How often aliases may be resolved, and how much they may multiply: a limit against the "billion laughs" attack. */
const MAX_ALIASES = 100

/**
 * Parses a document, YAML or JSON.
 *
 * @throws {@link PolicyError} when it is none, with all problems
 */
export function parseYaml (text: string, { file, maxBytes, words }: ParseOptions): ParsedFile {
  // A character has at least one byte.
  if (text.length > maxBytes) throw unreadable(file, ...tooLarge(text.length, maxBytes, words))
  const lines = new LineCounter()
  const locate = (offset: number): Place => ({ file, line: lines.linePos(offset).line, column: lines.linePos(offset).col })
  const document = compose(text, lines, offset => new PolicyError([
    { path: [], message: `the file is nested deeper than ${MAX_NESTING} levels`, hint: `no ${words.noun} needs that`, ...locate(offset) }
  ]))
  const syntax = syntaxProblems(document, locate, words)
  if (syntax.length > 0) throw new PolicyError(syntax)
  const { duplicates, unresolved } = inspect(document, locate)
  if (unresolved.length > 0) throw new PolicyError([...duplicates, ...unresolved].sort(byPlace))
  const index = new NodeIndex(document)
  return {
    value: valueOf(document, file, words),
    duplicates,
    locate: problems => problems.slice(0, MAX_PROBLEMS)
      .map(problem => ({ ...problem, ...locate(index.offset(problem.path)) }))
      .sort(byPlace)
  }
}

/**
 * Composes the document like the library's `parseDocument`, but checks each token first: a document that is nested too deep must not
 * reach the composer, which is recursive.
 */
function compose (text: string, lines: LineCounter, tooDeep: (offset: number) => PolicyError): Document.Parsed {
  function * tokens (): Generator<CST.Token> {
    const parser = new Parser(lines.addNewLine)
    const nesting = new Nesting(MAX_NESTING)
    lines.addNewLine(0)
    for (const lexeme of new Lexer().lex(text)) {
      if (nesting.exceeds(lexeme)) throw tooDeep(nesting.offset)
      yield * parser.next(lexeme)
    }
    yield * parser.end()
  }

  // Duplicate keys are found below: the library compares each key with each other, which takes minutes for a large file.
  // Nothing is printed, because the library's warnings quote the file.
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false, merge: false, logLevel: 'error' })
  const documents = composer.compose(tokens(), true, text.length)
  const { value: document } = documents.next()
  // At its end, the composer has at least one document.
  if (document === undefined) throw new Error('yaml composed no document')
  const { value: second } = documents.next()
  if (second !== undefined) document.errors.push(new YAMLParseError([second.range[0], second.range[1]], 'MULTIPLE_DOCS', ''))
  return document
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
    throw unreadable(file, 'the aliases (*) in the file cannot be resolved, or multiply', 'write out the values instead', cause)
  }
}

function syntaxProblems ({ errors, warnings }: Document.Parsed, locate: Locate, words: FileWords): PolicyProblem[] {
  // A warning is an unknown tag: the value then differs from what the tag says.
  return [...errors, ...warnings].slice(0, MAX_PROBLEMS).map(({ code, message, pos: [offset] }) => code === 'MULTIPLE_DOCS'
    ? { path: [], message: 'another document begins here', hint: `a ${words.noun} is one document: remove the ---`, ...locate(offset) }
    : { path: [], message, hint: 'the file cannot be read beyond this point', ...locate(offset) })
}

/** A collection or an alias to check, and its path. */
interface Pending {
  readonly node: unknown
  readonly step: string | number
  readonly parent: Pending | undefined
}

function pathTo (pending: Pending): Path {
  const path: Array<string | number> = []
  for (let next = pending; next.parent !== undefined; next = next.parent) path.unshift(next.step)
  return path
}

/** Finds what the library does not check, or only slowly: duplicate keys, and aliases of missing anchors. */
function inspect (document: Document.Parsed, locate: Locate): { duplicates: PolicyProblem[], unresolved: PolicyProblem[] } {
  const duplicates: PolicyProblem[] = []
  const anchors = new Set<string>()
  const aliases: Pending[] = []
  // An explicit stack instead of recursion: the content is limited only by the size of the file.
  const pending: Pending[] = []
  const look = (node: unknown, step: string | number, parent: Pending | undefined): void => {
    if (isAlias(node)) aliases.push({ node, step, parent })
    else if (isScalar(node) || isCollection(node)) {
      if (node.anchor !== undefined) anchors.add(node.anchor)
      if (isCollection(node)) pending.push({ node, step, parent })
    }
  }
  look(document.contents, '', undefined)
  for (let next = pending.pop(); next !== undefined && duplicates.length < MAX_PROBLEMS; next = pending.pop()) {
    const { node } = next
    if (isMap(node)) {
      if (hasDuplicates(node)) duplicates.push(...duplicateKeys(node, pathTo(next), locate))
      for (const { key, value } of node.items) {
        look(key, next.step, next.parent)
        look(value, keyOf(key), next)
      }
    } else if (isCollection(node)) {
      for (let index = 0; index < node.items.length; index++) look(node.items[index], index, next)
    }
  }
  const unresolved = aliases.filter(({ node }) => !anchors.has((node as Alias).source)).slice(0, MAX_PROBLEMS).map(alias => {
    const { source } = alias.node as Alias
    const hint = suggest(source, anchors, `write '&${source}' where it is defined, or put it in quotes`)
    return { path: pathTo(alias), message: `'*${source}' is not defined`, hint, ...locate(offsetOf(alias.node) ?? 0) }
  })
  return { duplicates, unresolved }
}

/** Most maps are small, and have no duplicate keys. */
function hasDuplicates ({ items }: YAMLMap): boolean {
  if (items.length > 8) return new Set(items.map(({ key }) => keyOf(key))).size < items.length
  for (let index = 1; index < items.length; index++) {
    const name = keyOf(items[index]?.key)
    for (let other = 0; other < index; other++) if (keyOf(items[other]?.key) === name) return true
  }
  return false
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

/** Finds nodes by path. Caches the keys of each map, because a file with many mistakes needs many. */
class NodeIndex {
  readonly #document: Document.Parsed
  readonly #keys = new WeakMap<YAMLMap, Map<string, Pair>>()

  constructor (document: Document.Parsed) {
    this.#document = document
  }

  /** The place of the last step of the path, or of the deepest existing one. */
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

/** The key as in the JavaScript object. */
function keyOf (key: unknown): string {
  return isScalar(key) ? String(key.value ?? '') : String(key)
}

function offsetOf (node: unknown): number | undefined {
  return (node as Partial<Node> | null | undefined)?.range?.[0]
}
