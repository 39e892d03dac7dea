// Writes a policy as YAML or JSON, in the style of a person. Unchanged parts of an existing file stay, with their comments.
import { Document, isMap, isScalar, isSeq, parseDocument, Scalar, visit, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml'
import { canonicalJson } from '../kit/canonical-json.js'
import { isRecord } from '../kit/is-record.js'
import type { Policy } from '../engine/policy/policy.js'
import { permissionsOfResourceRole, permissionsOfRole, WILDCARD } from '../engine/policy/wildcards.js'
import { FACT_LISTS, factBlocks, factLists, factSections, type Facts, type ListedFact, type Model } from './moved-policy.js'
import type { Schema } from './normal-form.js'

/** The order of the sections in a new file. */
const SECTIONS = [
  'resources', 'user_attributes', 'tenant_attributes', 'roles', 'user_sets', 'resource_sets', 'set_rules', 'proxy_configs', 'tenants',
  'users', 'role_assignments', 'resource_instances', 'relationship_tuples', 'permit'
]

/** Blocks that YAML leaves empty when nothing is in them: `read:`. */
const MAY_BE_EMPTY: ReadonlyArray<readonly string[]> = [
  ['resources', '*', 'actions', '*'], ['resources', '*', 'action_groups', '*'], ['resources', '*', 'roles', '*'], ['roles', '*'],
  ['proxy_configs', '*'], ['tenants', '*'], ['users', '*']
]

/** Records that are written in one line: `{ user: ann, role: admin }`. */
const IN_ONE_LINE: ReadonlyArray<readonly string[]> = [
  ['resources', '*', 'attributes', '*'], ['resources', '*', 'roles', '*', 'permissions'], ['resources', '*', 'roles', '*', 'extends'],
  ['resources', '*', 'roles', '*', 'granted_to', 'users_with_role', '*'], ['resources', '*', 'action_groups', '*', 'actions'],
  ['user_attributes', '*'], ['tenant_attributes', '*'], ['roles', '*', 'permissions'], ['roles', '*', 'extends'], ['set_rules', '*'],
  ['users', '*', 'attributes'], ['tenants', '*', 'attributes'], ['role_assignments', '*'], ['resource_instances', '*'],
  ['relationship_tuples', '*']
]

/** How YAML is written. Long texts are not folded: a line of a diff is one change. */
const STYLE = { lineWidth: 0, flowCollectionPadding: true, singleQuote: true } as const

type Path = ReadonlyArray<string | number>

/** The wanted content of a file. */
export interface WrittenPolicy {
  readonly schema: Schema
  /** Undefined: no facts, or the facts that the file already has. */
  readonly facts: Facts | undefined
  /** Parts that a policy file cannot express. */
  readonly permit: Readonly<Record<string, unknown>>
}

/** An existing file, which is replaced. */
export interface ExistingPolicy {
  readonly text: string
  readonly policy: Policy
  /** The model of the policy: its lists have the order of the file. */
  readonly model: Model
}

/** The text of a policy in JSON. */
export function policyJson (written: WrittenPolicy, existing?: ExistingPolicy): string {
  const { facts = existing?.model.facts } = written
  return `${JSON.stringify(ordered({ ...written, facts }), null, 2)}\n`
}

/**
 * The text of a policy in YAML.
 *
 * @param existing - the file that it replaces: comments, order and style of what stays are kept
 */
export function policyYaml (written: WrittenPolicy, existing?: ExistingPolicy): string {
  const merged = existing === undefined ? undefined : merge(written, existing)
  if (merged !== undefined) return merged
  const document = new Document(null)
  const { facts = existing?.model.facts } = written
  document.contents = nodeOf(document, ordered({ ...written, facts }), []) as typeof document.contents
  return textOf(document)
}

function merge ({ schema, facts, permit }: WrittenPolicy, { text, policy, model }: ExistingPolicy): string | undefined {
  const document = parseDocument(text)
  if (!isMap(document.contents)) return undefined
  const blocks = facts === undefined ? {} : factBlocks(facts)
  const before = { ...model.schema, ...(facts === undefined || model.facts === undefined ? {} : factBlocks(model.facts)) }
  const carried = Object.keys(permit).length === 0 ? {} : { permit }
  const old = (policy as { permit?: unknown }).permit
  listWildcards(document, model.schema, schema)
  const merge = new Merge(document)
  merge.map(document.contents, { ...schema, ...blocks, ...carried }, { ...before, ...(old === undefined ? {} : { permit: old }) }, [])
  if (facts !== undefined) {
    const lists = factLists(facts)
    for (const name of FACT_LISTS) merge.facts(document.contents, name, lists[name], model.facts?.[MODEL_LISTS[name]] ?? [])
  }
  try {
    return textOf(document)
  } catch {
    // An alias to a deleted anchor. The comments are lost; the content is kept.
    return undefined
  }
}

/**
 * Replaces a wildcard by the permissions that it stands for, where new or deleted resources would change its meaning. So a role is not
 * changed by accident.
 */
function listWildcards (document: Document, before: Schema, wanted: Schema): void {
  const listed = (path: Path, expand: (texts: string[], schema: Schema) => string[]) => {
    const list = document.getIn([...path, 'permissions'])
    if (!isSeq(list)) return
    const texts = list.items.map(item => isScalar(item) ? String(item.value) : '')
    if (!texts.some(text => text.endsWith(WILDCARD)) || isSame(expand(texts, before), expand(texts, wanted))) return
    list.items = expand(texts, before).map(text => document.createNode(text))
  }
  for (const role of Object.keys(before.roles ?? {})) {
    listed(['roles', role], (texts, { resources }) => permissionsOfRole(texts, resources))
  }
  for (const [type, { roles = {} }] of Object.entries(before.resources ?? {})) {
    for (const role of Object.keys(roles)) {
      listed(['resources', type, 'roles', role], (texts, { resources }) => permissionsOfResourceRole(type, texts, resources))
    }
  }
}

const MODEL_LISTS = { role_assignments: 'assignments', resource_instances: 'instances', relationship_tuples: 'tuples' } as const

/** The text of a document. Lists in one line have no blanks inside of their brackets, and maps have: `{ permissions: [read] }`. */
function textOf (document: Document): string {
  visit(document, {
    Seq (_key, list) {
      if (list.flow !== true) return
      const write = list.toString.bind(list)
      list.toString = (context, ...rest) =>
        write(context === undefined ? context : { ...context, flowCollectionPadding: '' } as typeof context, ...rest)
    },
    Map (_key, map) {
      if (map.flow !== true) return
      const write = map.toString.bind(map)
      map.toString = (context, ...rest) =>
        write(context === undefined ? context : { ...context, flowCollectionPadding: ' ' } as typeof context, ...rest)
    }
  })
  return document.toString(STYLE)
}

function ordered ({ schema, facts, permit }: WrittenPolicy): Record<string, unknown> {
  const carried = Object.keys(permit).length === 0 ? {} : { permit }
  const sections: Record<string, unknown> = { ...schema, ...(facts === undefined ? {} : factSections(facts)), ...carried }
  return Object.fromEntries(SECTIONS.filter(name => sections[name] !== undefined).map(name => [name, sections[name]]))
}

/** Changes the nodes of a file to the wanted content. */
class Merge {
  readonly #document: Document

  constructor (document: Document) {
    this.#document = document
  }

  /**
   * @param wanted - the wanted content of the map
   * @param before - its current content, in its normal form
   */
  map (map: YAMLMap, wanted: Record<string, unknown>, before: Record<string, unknown>, path: Path): void {
    map.items = map.items.filter(({ key }) => {
      const name = keyOf(key)
      // Members that the normal form omits, such as a name that equals the key, may stay.
      return Object.hasOwn(wanted, name) || !Object.hasOwn(before, name)
    })
    const pairs = new Map(map.items.map(pair => [keyOf(pair.key), pair]))
    for (const [name, value] of Object.entries(wanted)) {
      const pair = pairs.get(name)
      if (pair === undefined) {
        this.#add(map, name, value, [...path, name])
      } else if (!Object.hasOwn(before, name) || !isSame(value, before[name])) {
        this.#change(pair, value, before[name], [...path, name])
      }
    }
  }

  #change (pair: Pair, value: unknown, before: unknown, path: Path): void {
    const { value: node } = pair
    if (isMap(node) && isRecord(value) && isRecord(before) && !isConditions(path)) {
      this.map(node, value, before, path)
    } else if (isSeq(node) && Array.isArray(value) && path.length === 1 && Array.isArray(before) && node.items.length === before.length) {
      this.#list(node, value, before, path)
    } else if (isSeq(node) && Array.isArray(value) && value.every(item => typeof item === 'string')) {
      this.#list(node, value, node.items.map(item => bare(isScalar(item) ? item.value : undefined, path)), path)
    } else {
      const next = nodeOf(this.#document, value, path)
      keepComments(node, next)
      pair.value = next
    }
  }

  /** Items stay where they are; new ones come last. `before` has what each item of the list says. */
  #list (list: YAMLSeq, wanted: readonly unknown[], before: readonly unknown[], path: Path): void {
    const missing = new Map(wanted.map((item, index) => [canonicalJson(item), { item, index }]))
    list.items = list.items.filter((_, index) => missing.delete(canonicalJson(before[index])))
    for (const { item, index } of missing.values()) list.items.push(nodeOf(this.#document, item, [...path, index]))
  }

  /** A list of facts. `before` has what each item of the file's list says, and perhaps more. */
  facts (map: YAMLMap, name: string, wanted: readonly ListedFact[], before: readonly object[]): void {
    const pair = map.items.find(({ key }) => keyOf(key) === name)
    const missing = new Map(wanted.map(fact => [canonicalJson(fact.complete), fact]))
    const list = pair?.value
    if (isSeq(list)) list.items = list.items.filter((_, index) => missing.delete(canonicalJson(before[index])))
    const added = [...missing.values()].filter(({ follows }) => !follows).map(({ record }) => record)
    if (isSeq(list)) {
      for (const record of added) list.items.push(nodeOf(this.#document, record, [name, 0]))
      if (list.items.length === 0) map.items = map.items.filter(other => other !== pair)
    } else if (added.length > 0) {
      if (pair !== undefined) map.items = map.items.filter(other => other !== pair)
      this.#add(map, name, added, [name])
    }
  }

  #add (map: YAMLMap, name: string, value: unknown, path: Path): void {
    const pair = this.#document.createPair(name, null) as Pair<Scalar, Node>
    pair.value = nodeOf(this.#document, value, path)
    if (path.length === 1 && map.items.length > 0) pair.key.spaceBefore = true
    map.items.push(pair)
  }
}

/** A permission of a role on instances, without the type. */
function bare (permission: unknown, [section, type, part]: Path): unknown {
  const prefix = `${String(type)}:`
  const isOwn = section === 'resources' && part === 'roles' && typeof permission === 'string' && permission.startsWith(prefix)
  return isOwn ? permission.slice(prefix.length) : permission
}

function isSame (a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return canonicalJson(a) === canonicalJson(b)
  if (a.length !== b.length) return false
  const items = new Set(a.map(item => canonicalJson(item)))
  return b.every(item => items.has(canonicalJson(item)))
}

/** A condition is always replaced as a whole. */
function isConditions (path: Path): boolean {
  return path.at(-1) === 'conditions' && path.length === 3
}

function keepComments (from: unknown, to: Node): void {
  const { comment, commentBefore, spaceBefore } = (from ?? {}) as Partial<Node>
  if (comment !== undefined) to.comment = comment
  if (commentBefore !== undefined) to.commentBefore = commentBefore
  if (spaceBefore !== undefined) to.spaceBefore = spaceBefore
}

function keyOf (key: unknown): string {
  return isScalar(key) ? String(key.value ?? '') : String(key)
}

function nodeOf (document: Document, value: unknown, path: Path): Node {
  if (isRecord(value) && Object.keys(value).length === 0 && matches(path, MAY_BE_EMPTY)) {
    const empty = new Scalar(null)
    empty.source = ''
    return empty
  }
  const node = document.createNode(value) as Node
  style(document, node, path)
  return node
}

function style (document: Document, node: unknown, path: Path): void {
  if (isMap(node)) {
    if (node.items.length === 0 || matches(path, IN_ONE_LINE)) node.flow = true
    else {
      for (const pair of node.items) {
        const at = [...path, keyOf(pair.key)]
        if (isMap(pair.value) && pair.value.items.length === 0 && matches(at, MAY_BE_EMPTY)) pair.value = nodeOf(document, {}, at)
        else style(document, pair.value, at)
        // A blank line before each section but the first.
        if (path.length === 0 && pair !== node.items[0] && isScalar(pair.key)) pair.key.spaceBefore = true
      }
    }
  } else if (isSeq(node)) {
    if (node.items.length === 0 || matches(path, IN_ONE_LINE)) node.flow = true
    else node.items.forEach((item, index) => style(document, item, [...path, index]))
  }
}

function matches (path: Path, patterns: ReadonlyArray<readonly string[]>): boolean {
  return patterns.some(pattern => pattern.length === path.length && pattern.every((step, index) => step === '*' || step === path[index]))
}
