// Reads the resource types and actions that an OpenAPI document says its operations require, in the extensions that fastify-permit writes.
import type { Policy } from '../../engine/policy/policy.js'
import { isRecord } from '../../kit/is-record.js'
import { splitPair } from '../../kit/split-at-colon.js'
import { fitsAsKey } from '../fitting-keys.js'

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

type Path = ReadonlyArray<string | number>

/** A part of a document that no policy can say. */
export interface OpenApiRefusal {
  readonly path: Path
  readonly name: string
  readonly reason: string
}

/** What the operations of a document require. */
export interface OpenApiImport {
  readonly resources: NonNullable<Policy['resources']>
  /** How many operations require a permission. */
  readonly guarded: number
  /** Operations without an extension: public, or decided by a function. */
  readonly silent: readonly string[]
  /** Operations that also require what only a function or a URL mapping rule knows. */
  readonly partly: readonly string[]
  readonly refused: readonly OpenApiRefusal[]
}

/** Reads a document that may be malformed. */
export function importOpenApi (document: unknown): OpenApiImport {
  const actionsOf = new Map<string, Set<string>>()
  const refused: OpenApiRefusal[] = []
  const silent: string[] = []
  const partly: string[] = []
  let guarded = 0
  for (const { name, path, operation, type } of operationsOf(document)) {
    const { pairs, hasUnknown, isGuarded } = requirementsOf(operation, type, (key, text, reason) => {
      refused.push({ path: [...path, key], name: text, reason })
    })
    for (const [resource, action] of pairs) {
      const actions = actionsOf.get(resource) ?? new Set()
      actionsOf.set(resource, actions.add(action))
    }
    if (isGuarded) guarded++
    else silent.push(name)
    if (hasUnknown) partly.push(name)
  }
  const resources = Object.fromEntries(Array.from(actionsOf, ([type, actions]) =>
    [type, { actions: Object.fromEntries(Array.from(actions, action => [action, {}])) }]))
  return { resources, guarded, silent, partly, refused }
}

interface Operation {
  /** `GET /tasks` */
  readonly name: string
  readonly path: Path
  readonly operation: Readonly<Record<string, unknown>>
  /** The resource type of the path. */
  readonly type: unknown
}

function operationsOf (document: unknown): Operation[] {
  const paths = isRecord(document) && isRecord(document['paths']) ? document['paths'] : {}
  return Object.entries(paths).flatMap(([url, item]) => !isRecord(item)
    ? []
    : METHODS.flatMap(method => {
      const operation = Object.hasOwn(item, method) ? item[method] : undefined
      return isRecord(operation)
        ? [{ name: `${method.toUpperCase()} ${url}`, path: ['paths', url, method], operation, type: valueOf(item, 'x-permit-resource') }]
        : []
    }))
}

type Refuse = (key: string, text: string, reason: string) => void

function requirementsOf (operation: Readonly<Record<string, unknown>>, typeOfPath: unknown, refuse: Refuse) {
  const pairs: Array<readonly [type: string, action: string]> = []
  let hasUnknown = false
  const add = (key: string, text: string, type: string, action: string): void => {
    if (fitsAsKey(type) && fitsAsKey(action)) pairs.push([type, action])
    else refuse(key, text, "the keys of a policy have letters, digits, '_' and '-'; rename it in the app")
  }
  const own = valueOf(operation, 'x-permit-resource')
  const action = valueOf(operation, 'x-permit-action')
  const requires = valueOf(operation, 'x-permit-requires')
  if (action !== undefined) {
    const type = own ?? typeOfPath
    if (typeof action !== 'string') refuse('x-permit-action', 'x-permit-action', 'it is not a text')
    else if (typeof type !== 'string') refuse('x-permit-action', action, 'neither the operation nor its path has an x-permit-resource')
    else add('x-permit-action', `${type}:${action}`, type, action)
  }
  if (requires !== undefined && typeof requires !== 'string') {
    refuse('x-permit-requires', 'x-permit-requires', 'it is not a text')
  } else if (requires !== undefined) {
    // `(task:list and (task:create or folder:open))`, `(GET: task:list, POST: task:create)`, `(by function):read`, `url`
    for (const word of requires.split(/[\s(),]+/)) {
      const pair = splitPair(word)
      if (pair !== undefined) add('x-permit-requires', word, pair.before, pair.after)
    }
    hasUnknown = /\bby function\b|(?:^|[\s(])url(?=$|[\s),])/.test(requires)
  }
  return { pairs, hasUnknown, isGuarded: action !== undefined || requires !== undefined }
}

function valueOf (record: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
