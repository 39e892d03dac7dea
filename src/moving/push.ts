// Applies a plan through Permit's REST API, step by step, and stops at the first failure.
import { apiProxyConfig } from './api-shapes.js'
import type { MovePlan, Step } from './move-plan.js'
import type { Kind, Moved } from './moved-objects.js'
import { MovingError } from './moving-error.js'
import { hasHeaders } from './read-environment.js'
import { ApiError, type Method, type RestClient } from './rest-client.js'

/** The most facts in one request, and the most characters. */
const BULK = 500
const BULK_SIZE = 400_000

/** A push that stopped. */
export class PushError extends Error {
  override readonly name = 'PushError'
  /** The step that failed; undefined if one of several failed. */
  readonly step: Step
  /** How many steps were done before. */
  readonly applied: number

  constructor (step: Step, applied: number, cause: Error) {
    super(cause.message, { cause })
    this.step = step
    this.applied = applied
  }
}

/**
 * Applies the steps.
 *
 * @param onStep - called with the number of steps that are done
 * @throws {@link PushError} with the failed step and the number of applied steps, which are not undone
 */
export async function push (client: RestClient, { steps }: MovePlan, onStep: (done: number) => void = () => {}): Promise<void> {
  const pusher = new Pusher(client)
  for (let done = 0; done < steps.length;) {
    const step = steps[done] as Step
    const together = togetherFrom(steps, done)
    try {
      done += await pusher.take(together)
    } catch (error) {
      if (error instanceof PushError) throw new PushError(error.step, done + error.applied, error.cause as Error)
      if (!(error instanceof MovingError)) throw error
      throw new PushError(step, done, error)
    }
    onStep(done)
  }
}

/** The next steps that one request can apply. */
function togetherFrom (steps: readonly Step[], from: number): readonly Step[] {
  const first = steps[from] as Step
  if (first.op === 'create' && first.object.kind === 'resource') return withItsParts(steps, from)
  const way = wayOf(first)
  if (way === undefined) return [first]
  let size = 0
  let end = from
  while (end < steps.length && end - from < BULK && size < BULK_SIZE && wayOf(steps[end] as Step) === way) {
    size += JSON.stringify((steps[end] as Step).object).length
    end++
  }
  return steps.slice(from, end)
}

/** A resource is created with its actions and attributes. */
function withItsParts (steps: readonly Step[], from: number): readonly Step[] {
  const [type] = (steps[from] as Step).object.keys
  let end = from + 1
  while (end < steps.length && isPartOf(steps[end] as Step, type)) end++
  return steps.slice(from, end)
}

function isPartOf ({ op, object: { kind, keys } }: Step, type: string | undefined): boolean {
  return op === 'create' && (kind === 'action' || kind === 'attribute') && keys[0] === type
}

/** The name of the request that can do this step together with others; undefined if there is none. */
function wayOf ({ op, object: { kind } }: Step): string | undefined {
  if (op === 'replace') return undefined
  switch (kind) {
    case 'tenant': return op === 'change' ? undefined : `tenants ${op}`
    case 'user':
    case 'resource_instance': return `${kind} ${op === 'delete' ? 'delete' : 'put'}`
    case 'role_assignment':
    case 'relationship_tuple': return `${kind} ${op}`
    default: return undefined
  }
}

class Pusher {
  readonly #client: RestClient

  constructor (client: RestClient) {
    this.#client = client
  }

  /** Returns the number of applied steps. */
  async take (steps: readonly Step[]): Promise<number> {
    const [first] = steps as readonly [Step]
    if (first.op === 'create' && first.object.kind === 'resource') {
      await this.#schema('POST', '/resources', resourceBody(steps))
    } else if (wayOf(first) === undefined) {
      await this.#one(first)
    } else if (steps.length === 1 || !await this.#tryAll(steps)) {
      await this.#oneByOne(steps)
    }
    return steps.length
  }

  /** Whether one request applied all of them. A refused request has applied none. */
  async #tryAll (steps: readonly Step[]): Promise<boolean> {
    try {
      await this.#all(steps)
      return true
    } catch (error) {
      // One of them fails, and sending them one by one finds it; or the API has no such request.
      if (error instanceof ApiError && [400, 404, 405, 409, 413, 422, 501].includes(error.status)) return false
      throw error
    }
  }

  async #oneByOne (steps: readonly Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      try {
        await this.#one(step)
      } catch (error) {
        if (!(error instanceof MovingError)) throw error
        throw new PushError(step, index, error)
      }
    }
  }

  #all (steps: readonly Step[]): Promise<unknown> {
    const [{ op, object: { kind } }] = steps as readonly [Step]
    const objects = steps.map(({ object }) => object)
    const isDeletion = op === 'delete'
    const bodies = objects.map(bodyOf)
    switch (kind) {
      case 'tenant':
        return isDeletion
          ? this.#facts('DELETE', '/bulk/tenants', { idents: objects.map(({ keys: [key] }) => key) })
          : this.#facts('POST', '/bulk/tenants', { operations: bodies })
      case 'user':
        return isDeletion
          ? this.#facts('DELETE', '/bulk/users', { idents: objects.map(({ keys: [key] }) => key) })
          : this.#facts('PUT', '/bulk/users', { operations: bodies })
      case 'resource_instance':
        return isDeletion
          ? this.#facts('DELETE', '/bulk/resource_instances', { idents: objects.map(({ keys: [type, key] }) => `${type}:${key}`) })
          : this.#facts('PUT', '/bulk/resource_instances', { operations: bodies })
      case 'role_assignment': return this.#facts(isDeletion ? 'DELETE' : 'POST', '/role_assignments/bulk', bodies)
      default:
        return isDeletion
          ? this.#facts('DELETE', '/relationship_tuples/bulk', { idents: bodies })
          : this.#facts('POST', '/relationship_tuples/bulk', { operations: bodies })
    }
  }

  async #one (step: Step): Promise<void> {
    const { op, object, before } = step
    if (op === 'replace') {
      await this.#delete(before ?? object)
      await this.#create(object)
    } else if (op === 'delete') {
      await this.#delete(object)
    } else if (op === 'create') {
      await this.#create(object)
    } else {
      await this.#change(object, before ?? object)
    }
  }

  #create (object: Moved): Promise<unknown> {
    const { kind, keys: [first = '', second = ''] } = object
    const body = bodyOf(object)
    switch (kind) {
      case 'resource': return this.#schema('POST', '/resources', body)
      case 'action':
      case 'attribute':
      case 'action_group':
      case 'relation':
      case 'resource_role': return this.#schema('POST', partsPath(kind, first), body)
      case 'derivation': return this.#schema('POST', `${partPath('resource_role', first, second)}/implicit_grants`, body)
      case 'derivation_settings':
        return this.#schema('PUT', `${partPath('resource_role', first, second)}/implicit_grants/conditions`, object.value)
      case 'role': return this.#schema('POST', '/roles', body)
      case 'user_set':
      case 'resource_set': return this.#schema('POST', '/condition_sets', body)
      case 'set_rule': return this.#facts('POST', '/set_rules', body)
      case 'proxy_config': return this.#facts('POST', '/proxy_configs', body)
      case 'tenant': return this.#facts('POST', '/tenants', body)
      case 'user': return this.#facts('PUT', `/users/${encodeURIComponent(first)}`, body)
      case 'resource_instance': return this.#facts('POST', '/resource_instances', body)
      case 'role_assignment': return this.#facts('POST', '/role_assignments', body)
      case 'relationship_tuple': return this.#facts('POST', '/relationship_tuples', body)
    }
  }

  async #change (object: Moved, before: Moved): Promise<unknown> {
    const { kind, keys: [first = '', second = ''] } = object
    const body = changesOf(object)
    switch (kind) {
      case 'resource': return this.#schema('PATCH', `/resources/${encodeURIComponent(first)}`, body)
      case 'action':
      case 'attribute':
      case 'action_group':
      case 'resource_role': return this.#schema('PATCH', partPath(kind, first, second), body)
      case 'role': return this.#schema('PATCH', `/roles/${encodeURIComponent(first)}`, body)
      case 'user_set':
      case 'resource_set': return this.#schema('PATCH', `/condition_sets/${encodeURIComponent(first)}`, body)
      case 'derivation':
        await this.#delete(before)
        return this.#create(object)
      case 'tenant': return this.#facts('PATCH', `/tenants/${encodeURIComponent(first)}`, body)
      case 'resource_instance': return this.#facts('PATCH', `/resource_instances/${encodeURIComponent(`${first}:${second}`)}`, body)
      case 'proxy_config': {
        const path = `/proxy_configs/${encodeURIComponent(first)}`
        const { mapping_rules: rules } = await this.#client.ask('GET', 'facts', path, undefined, apiProxyConfig)
        return this.#facts('PATCH', path, { ...body, mapping_rules: withRulesOfHeaders(body['mapping_rules'] as object[], rules ?? []) })
      }
      case 'set_rule': return undefined
      default: return this.#create(object)
    }
  }

  async #delete (object: Moved): Promise<void> {
    try {
      await this.#deletion(object)
    } catch (error) {
      // It was deleted together with another object, or by another client.
      if (!(error instanceof ApiError && error.status === 404)) throw error
    }
  }

  #deletion (object: Moved): Promise<unknown> {
    const { kind, keys: [first = '', second = ''] } = object
    const body = bodyOf(object)
    switch (kind) {
      case 'resource': return this.#schema('DELETE', `/resources/${encodeURIComponent(first)}`)
      case 'action':
      case 'attribute':
      case 'action_group':
      case 'relation':
      case 'resource_role': return this.#schema('DELETE', partPath(kind, first, second))
      case 'derivation': {
        const { when: _, ...rule } = body
        return this.#schema('DELETE', `${partPath('resource_role', first, second)}/implicit_grants`, rule)
      }
      case 'derivation_settings': {
        const off = { no_direct_roles_on_object: false }
        return this.#schema('PUT', `${partPath('resource_role', first, second)}/implicit_grants/conditions`, off)
      }
      case 'role': return this.#schema('DELETE', `/roles/${encodeURIComponent(first)}`)
      case 'user_set':
      case 'resource_set': return this.#schema('DELETE', `/condition_sets/${encodeURIComponent(first)}`)
      case 'set_rule': return this.#facts('DELETE', '/set_rules', body)
      case 'proxy_config': return this.#facts('DELETE', `/proxy_configs/${encodeURIComponent(first)}`)
      case 'tenant': return this.#facts('DELETE', `/tenants/${encodeURIComponent(first)}`)
      case 'user': return this.#facts('DELETE', `/users/${encodeURIComponent(first)}`)
      case 'resource_instance': return this.#facts('DELETE', `/resource_instances/${encodeURIComponent(`${first}:${second}`)}`)
      case 'role_assignment': return this.#facts('DELETE', '/role_assignments', body)
      case 'relationship_tuple': return this.#facts('DELETE', '/relationship_tuples', body)
    }
  }

  #schema (method: Method, path: string, body?: unknown): Promise<unknown> {
    return this.#client.ask(method, 'schema', path, body)
  }

  #facts (method: Method, path: string, body?: unknown): Promise<unknown> {
    return this.#client.ask(method, 'facts', path, body)
  }
}

/** The rules of the file, with the existing rules that have headers at their old positions: a file cannot express those. */
function withRulesOfHeaders (rules: readonly object[], before: ReadonlyArray<Parameters<typeof hasHeaders>[0]>): object[] {
  const all: object[] = [...rules]
  for (const [index, rule] of before.entries()) {
    if (hasHeaders(rule)) all.splice(index, 0, rule)
  }
  return all
}

function partsPath (kind: Kind, resource: string): string {
  return `/resources/${encodeURIComponent(resource)}/${kind === 'resource_role' ? 'roles' : `${kind}s`}`
}

function partPath (kind: Kind, resource: string, key: string): string {
  return `${partsPath(kind, resource)}/${encodeURIComponent(key)}`
}

/** The body that creates a resource with its actions and attributes. */
function resourceBody ([resource, ...parts]: readonly Step[]): object {
  const blocks = (wanted: Kind) => Object.fromEntries(parts.filter(({ object: { kind } }) => kind === wanted)
    .map(({ object: { keys, value } }) => [keys[1], value]))
  return { ...bodyOf((resource as Step).object), actions: blocks('action'), attributes: blocks('attribute') }
}

/** The body of a creation; for links, of a deletion, too. */
function bodyOf ({ kind, keys, value, fixed }: Moved): Record<string, unknown> {
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = keys
  const named = { key: first, name: value['name'] ?? first, ...value }
  switch (kind) {
    case 'resource': return { ...named, actions: {} }
    case 'action':
    case 'action_group':
    case 'relation':
    case 'resource_role': return { ...named, key: second, name: value['name'] ?? second }
    case 'attribute': return { ...value, key: second }
    case 'derivation': return { role: fourth, on_resource: third, linked_by_relation: fifth, ...value }
    case 'role': return named
    case 'user_set': return { ...named, type: 'userset' }
    case 'resource_set': return { ...named, type: 'resourceset', resource_id: fixed ?? '' }
    case 'set_rule':
      return { user_set: first, permission: second, resource_set: third, is_role: fourth === 'role', is_resource: fifth === 'resource' }
    // Permit's API requires a secret. It stays empty until it is set in Permit. Only Permit's own proxies need it.
    case 'proxy_config': return { ...named, secret: '' }
    case 'tenant': return named
    case 'resource_instance': return { resource: first, key: second, tenant: fixed ?? '', ...value }
    case 'role_assignment': return { user: first, role: second, tenant: third, ...(fourth === '' ? {} : { resource_instance: fourth }) }
    case 'relationship_tuple': return { subject: first, relation: second, object: third, tenant: fixed ?? '' }
    case 'derivation_settings': return value
    case 'user': return { key: first, ...value }
  }
}

/** The body of a change: removed members are set to empty values. */
function changesOf ({ kind, keys, value }: Moved): Record<string, unknown> {
  const named = { name: value['name'] ?? keys.at(-1), description: value['description'] ?? '' }
  const attributes = value['attributes'] ?? {}
  switch (kind) {
    case 'resource': return { ...named, urn: value['urn'] ?? '' }
    case 'action': return { ...named, attributes }
    case 'attribute': return { type: value['type'], description: named.description }
    case 'action_group': return { ...named, attributes, actions: value['actions'] ?? [] }
    case 'resource_role':
    case 'role': return { ...named, attributes, permissions: value['permissions'] ?? [], extends: value['extends'] ?? [] }
    case 'user_set':
    case 'resource_set': return { ...named, conditions: value['conditions'] }
    case 'tenant': return { ...named, attributes }
    case 'proxy_config': return { name: named.name, mapping_rules: value['mapping_rules'] ?? [] }
    default: return { attributes }
  }
}
