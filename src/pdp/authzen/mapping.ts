// Maps a query to an AuthZEN evaluation, and writes each part as JSON text, which is then compared and sent as it is.
import { randomUUID } from 'node:crypto'
import { QueryError } from '../../contract/errors.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { isRecord } from '../../kit/is-record.js'
import type { Decision, JsonObject, Query, QueryResource } from '../../contract/point.js'
import type { Evaluation, EvaluationIds, EvaluationMap, TenantPlace, TenantRelation } from '../../contract/evaluation.js'
import { readJson } from '../../kit/read-json.js'
import { actionFor, actionIn, objectFor, typeObjectOf, type TypeObjects } from './type-objects.js'
import { WireIds } from './wire-ids.js'

/** The subject's type, unless `map` changes it. */
const SUBJECT_TYPE = 'user'

/** The type of a tenant's id. */
const TENANT_TYPE = 'tenant'

/** Between the tenant and the key in an id. No tenant's id contains it, so the tenant ends at the first one. */
const TENANT_END = '/'

/**
 * The resource id in a check on a resource type, unless another object stands for it: AuthZEN requires an id. A resource with this key
 * could not be distinguished from its type, so it is denied without asking the PDP.
 */
export const ANY_ID = '*'

/** How queries become evaluations. */
export interface MappingSettings {
  readonly map?: EvaluationMap | undefined
  readonly ids?: 'encode' | EvaluationIds | undefined
  /** Undefined: there is only the tenant `default`. */
  readonly tenants?: TenantPlace | undefined
  /** Undefined: the id {@link ANY_ID} stands for every type. */
  readonly types?: TypeObjects | undefined
  /** Whether what is allowed on a type is allowed on each of its instances. */
  readonly inheritFromType?: boolean | undefined
  /** The most characters in `type:id`. */
  readonly longest?: { readonly subject?: number | undefined, readonly resource?: number | undefined } | undefined
  /** Names that the context of a question must not have; with `*` at its end, every name that begins so. */
  readonly reserved?: readonly string[] | undefined
  /** Exceptions to `reserved`. */
  readonly named?: readonly string[] | undefined
  /** The name in the context that makes a question one that the PDP's cache has not seen. Undefined: `no-cache` is enough. */
  readonly cacheBuster?: string | undefined
}

/** An evaluation with each part as JSON text, and its ids. */
export interface WrittenEvaluation {
  readonly subject: string
  readonly action: string
  readonly resource: string
  readonly context: string
  readonly subjectId: string
  readonly resourceType: string
  readonly resourceId: string
}

/** What becomes of a query: an evaluation, or a denial without asking the PDP. */
export type Written = WrittenEvaluation | Decision

/** The questions that are asked for a query. */
export interface WrittenQuery {
  /** Access is allowed when one of them is. */
  readonly anyOf: readonly Written[]
  /** Whether the resource belongs to the tenant. Must be allowed, too. */
  readonly belongs?: WrittenEvaluation
}

/** Whether a query was denied without asking. */
export function isDecision (written: Written): written is Decision {
  return 'allow' in written
}

/** The mapping of one PDP. */
export class Mapping {
  readonly #settings: MappingSettings
  readonly #ids: WireIds
  readonly #reserved: ReadonlySet<string>
  readonly #reservedStarts: readonly string[]
  readonly #named: ReadonlySet<string>
  readonly #relation: TenantRelation | undefined

  constructor (settings: MappingSettings) {
    this.#settings = settings
    this.#ids = new WireIds(settings.ids)
    const { reserved = [], named = [], tenants, cacheBuster = [] } = settings
    this.#reservedStarts = reserved.filter(name => name.endsWith('*')).map(name => name.slice(0, -1))
    this.#reserved = new Set([...reserved.filter(name => !name.endsWith('*')), ...contextName(tenants)].concat(cacheBuster))
    this.#relation = typeof tenants === 'object' && 'relation' in tenants ? tenants : undefined
    this.#named = new Set(named)
  }

  /** Whether the app has a function that maps. */
  get hasMap (): boolean {
    return this.#settings.map !== undefined
  }

  /** Whether another question tells if a resource belongs to the tenant. */
  get hasRelation (): boolean {
    return this.#relation !== undefined
  }

  /** Whether there are other tenants than `default`. */
  get hasTenants (): boolean {
    return this.#settings.tenants !== undefined
  }

  /** Whether what is allowed on a type is allowed on its instances. */
  get inherits (): boolean {
    return this.#settings.inheritFromType === true
  }

  /**
   * Why questions about a resource cannot be asked, as a sentence; undefined if they can.
   * @param isType - whether it is about the type
   * @param tenant - undefined when it is not known
   */
  mistakeIn (type: string, isType: boolean, tenant: string | undefined): string | undefined {
    const { types, tenants } = this.#settings
    if (tenants === undefined && tenant !== undefined && tenant !== DEFAULT_TENANT) {
      return 'a tenant is named, and the option "authzen.tenants" does not say where it goes, so it would separate nothing'
    }
    if (isType && (types === undefined ? tenants === 'ids' || this.hasRelation : typeObjectOf(types, type) === undefined)) {
      return `it is about the whole type ${JSON.stringify(type)}, and the option "authzen.types" does not say which object stands for it`
    }
    return undefined
  }

  /**
   * Writes the evaluations for a query.
   * @throws `QueryError` when the query cannot be mapped, or a function of the app fails
   */
  write (query: Query): WrittenQuery {
    const written = this.#writeOne(query)
    const inherited = this.inherited(query)
    if (inherited !== undefined) return { anyOf: [written, this.#writeOne(inherited)] }
    if (this.#relation === undefined || query.resource.key === undefined || isDecision(written)) return { anyOf: [written] }
    const belongs = this.belonging(query)
    return belongs === undefined ? { anyOf: [IMPOSSIBLE_ID] } : { anyOf: [written], belongs }
  }

  /** The question whether the tenant has its relation to a resource; undefined when the PDP cannot have the ids in it. */
  belonging ({ resource, context = {} }: Pick<Query, 'resource' | 'context'>): WrittenEvaluation | undefined {
    if (this.#relation === undefined) return undefined
    const { relation, type = TENANT_TYPE } = this.#relation
    const { longest = {} } = this.#settings
    const id = this.#tenantId(resource.tenant)
    const object = this.#objectOf(resource, relation)
    if (id === undefined || object === undefined) return undefined
    const subject = { type, id }
    if (isLonger(subject, longest.subject) || isLonger(object, longest.resource)) return undefined
    const properties = { ...resource.attributes, tenant: resource.tenant }
    return textOf({ subject, action: { name: relation }, resource: { type: object.type, id: object.id, properties }, context })
  }

  /** The query about the type, if what it allows is allowed on the resource of this query. */
  inherited (query: Query): Query | undefined {
    return this.#settings.inheritFromType === true && query.resource.key !== undefined ? withoutKey(query) : undefined
  }

  /**
   * The evaluation for a query as an object, or the denial without asking.
   * @param searched - the part whose id is searched for, and is {@link ANY_ID} here
   */
  evaluationOf (query: Query, searched?: 'subject' | 'resource'): Evaluation | Decision {
    const written = this.#writeOne(query, searched)
    if (isDecision(written)) return written
    const parts = (['subject', 'action', 'resource', 'context'] as const).map(name => [name, readJson(written[name])])
    return Object.fromEntries(parts) as Evaluation
  }

  /** A context like this one that the PDP has not seen, so that its cache has no answer; this one where the PDP needs none. */
  unseen (context: JsonObject): JsonObject {
    const { cacheBuster } = this.#settings
    return cacheBuster === undefined ? context : { ...context, [cacheBuster]: randomUUID() }
  }

  /** {@link unseen} for the evaluations of one request. Contexts that were equal still are. */
  allUnseen (evaluations: readonly WrittenEvaluation[]): readonly WrittenEvaluation[] {
    const { cacheBuster } = this.#settings
    if (cacheBuster === undefined) return evaluations
    const { [cacheBuster]: value } = this.unseen({})
    return evaluations.map(evaluation => {
      const context = JSON.stringify({ ...readJson(evaluation.context) as JsonObject, [cacheBuster]: value })
      return { ...evaluation, context }
    })
  }

  /** The key of the resource with this id in this tenant; undefined when it is no resource of this tenant. */
  resourceKey (id: string, type: string, tenant: string): string | undefined {
    if (this.#standsForType({ type, id }, { type, tenant })) return undefined
    if (this.#settings.tenants !== 'ids') return this.#ids.read(id, type)
    const start = this.#tenantId(tenant)
    if (start === undefined || !id.startsWith(start + TENANT_END)) return undefined
    return this.#ids.read(id.slice(start.length + TENANT_END.length), type)
  }

  /** The key of the user with this id; undefined when no user has it. */
  userKey (id: string): string | undefined {
    return this.#ids.read(id, SUBJECT_TYPE)
  }

  /** The action of a check that the PDP knows by this name; undefined when no check asks for it. */
  actionName (name: string, { type, key }: Pick<QueryResource, 'type' | 'key'>): string | undefined {
    const { types } = this.#settings
    const template = key !== undefined || types === undefined ? undefined : typeObjectOf(types, type)?.action
    return template === undefined ? name : actionIn(template, name, type)
  }

  #writeOne (query: Query, searched?: 'subject' | 'resource'): Written {
    const { user, resource, context } = query
    const { map, longest = {} } = this.#settings
    const mistake = this.mistakeIn(resource.type, resource.key === undefined && searched !== 'resource', resource.tenant)
    if (mistake !== undefined) throw new QueryError(`the question cannot be sent: ${mistake}`)
    if (context !== undefined && this.#hasReserved(context)) return RESERVED_CONTEXT
    const subjectId = searched === 'subject' ? ANY_ID : this.#ids.write(user.key, SUBJECT_TYPE)
    const object = searched === 'resource'
      ? { type: resource.type, id: ANY_ID, action: query.action }
      : this.#objectOf(resource, query.action)
    if (subjectId === undefined || object === undefined) return IMPOSSIBLE_ID
    if (resource.key !== undefined && searched !== 'resource' && this.#standsForType(object, resource)) return RESERVED_KEY
    const mapped = this.#evaluation(query, subjectId, object)
    const evaluation = map === undefined ? mapped : mappedByApp(mapped, query, map)
    if (isLonger(evaluation.subject, longest.subject) || isLonger(evaluation.resource, longest.resource)) return IMPOSSIBLE_ID
    return textOf(evaluation)
  }

  #hasReserved (context: JsonObject): boolean {
    if (this.#reserved.size === 0 && this.#reservedStarts.length === 0) return false
    return Object.keys(context).some(name => !this.#named.has(name) &&
      (this.#reserved.has(name) || this.#reservedStarts.some(start => name.startsWith(start))))
  }

  /**
   * The default evaluation. The query's own fields take precedence over attributes of the same name, so that no attribute can be mistaken
   * for the tenant or the user's email.
   */
  #evaluation ({ user, resource, context = {} }: Query, id: string, { type, id: resourceId, action }: ObjectOfQuery): Evaluation {
    const { tenants } = this.#settings
    const { key: _, attributes, ...named } = user
    // A field that is undefined must not override an attribute.
    const given = Object.entries(named).filter(([, value]) => value !== undefined)
    const properties = attributes === undefined && given.length === 0 ? undefined : { ...attributes, ...Object.fromEntries(given) }
    return {
      subject: { type: SUBJECT_TYPE, id, properties },
      action: { name: action },
      resource: { type, id: resourceId, properties: { ...resource.attributes, tenant: resource.tenant } },
      // Some PDPs require a context in a batch.
      context: typeof tenants === 'object' && 'context' in tenants ? { ...context, [tenants.context]: resource.tenant } : context
    }
  }

  /** The object that a query is about; undefined when the PDP cannot have its id. */
  #objectOf ({ type, key, tenant }: QueryResource, action: string): ObjectOfQuery | undefined {
    const { types, tenants } = this.#settings
    if (key === undefined) {
      const entry = types === undefined ? undefined : typeObjectOf(types, type)
      if (entry === undefined) return { type, id: ANY_ID, action }
      const tenantId = entry.resource.includes('{tenant}') ? this.#tenantId(tenant) : ''
      return tenantId === undefined
        ? undefined
        : { ...objectFor(entry.resource, type, tenantId), action: actionFor(entry.action, action, type) }
    }
    const id = this.#ids.write(key, type)
    if (id === undefined || tenants !== 'ids') return id === undefined ? undefined : { type, id, action }
    const tenantId = this.#tenantId(tenant)
    return tenantId === undefined ? undefined : { type, id: tenantId + TENANT_END + id, action }
  }

  /** The id of a tenant; undefined when the PDP cannot have it, or when another tenant and key could have the same id. */
  #tenantId (tenant: string): string | undefined {
    const id = this.#ids.write(tenant, TENANT_TYPE)
    return id?.includes(TENANT_END) === true ? undefined : id
  }

  /** Whether the object of a resource with a key is the one that stands for its whole type. */
  #standsForType ({ type, id }: { readonly type: string, readonly id: string }, { type: of, tenant }: QueryResource): boolean {
    if (!id.endsWith(ANY_ID)) return false
    if (this.#settings.types !== undefined && typeObjectOf(this.#settings.types, of) === undefined) return false
    const whole = this.#objectOf({ type: of, tenant }, '')
    return whole !== undefined && whole.type === type && whole.id === id
  }
}

/** The name of the tenant in the context, if it is there. */
function contextName (tenants: TenantPlace | undefined): string[] {
  return typeof tenants === 'object' && 'context' in tenants ? [tenants.context] : []
}

interface ObjectOfQuery { readonly type: string, readonly id: string, readonly action: string }

function withoutKey ({ user, action, resource: { type, tenant, attributes }, context, key }: Query): Query {
  return { user, action, resource: { type, tenant, attributes }, context, key }
}

function isLonger ({ type, id }: { readonly type: string, readonly id: string }, most: number | undefined): boolean {
  return most !== undefined && type.length + 1 + id.length > most
}

/** Denies a resource whose key is the id that stands for "no key": the PDP would decide on the resource type instead. */
const RESERVED_KEY: Decision = Object.freeze({
  allow: false,
  code: 'reserved_key',
  reason: `the resource's id stands for its whole type (the key "${ANY_ID}" is reserved), so the PDP was not asked`
})

const IMPOSSIBLE_ID: Decision = Object.freeze({
  allow: false,
  code: 'impossible_id',
  reason: 'the PDP cannot have an id for this key (too long, or not possible with the option "authzen.ids"), so it was not asked'
})

const RESERVED_CONTEXT: Decision = Object.freeze({
  allow: false,
  code: 'reserved_context',
  reason: 'the context has a name to which the PDP gives a meaning of its own, so the PDP was not asked; see the option "authzen.named"'
})

function textOf ({ subject, action, resource, context }: Evaluation): WrittenEvaluation {
  return {
    subject: JSON.stringify(subject),
    action: JSON.stringify(action),
    resource: JSON.stringify(resource),
    context: context === undefined ? '{}' : JSON.stringify(context),
    subjectId: subject.id,
    resourceType: resource.type,
    resourceId: resource.id
  }
}

function mappedByApp (given: Evaluation, query: Query, map: EvaluationMap): Evaluation {
  let evaluation: unknown
  let sendable: boolean
  try {
    const mapped: unknown = map(given, query)
    // Converted through JSON once, so that the validated, compared and sent values are the same.
    evaluation = isEvaluation(mapped) ? readJson(JSON.stringify(mapped)) : undefined
    sendable = isEvaluation(evaluation)
  } catch (cause) {
    throw new QueryError('the option "authzen.map" threw an error or returned a value that JSON cannot represent', { cause })
  }
  if (!sendable) {
    throw new QueryError('the option "authzen.map" returned an invalid evaluation; expected { subject: { type, id, properties? }, ' +
      'action: { name, properties? }, resource: { type, id, properties? }, context? } with non-empty strings')
  }
  return evaluation as Evaluation
}

// Written by hand, because it runs for each check that is sent. A function of the app may return anything.
function isEvaluation (value: unknown): boolean {
  if (!isRecord(value)) return false
  const { subject, action, resource, context } = value
  return isEntity(subject) && isEntity(resource) && isProperties(context) &&
    isRecord(action) && isText(action.name) && isProperties(action.properties)
}

function isEntity (value: unknown): boolean {
  return isRecord(value) && isText(value.type) && isText(value.id) && isProperties(value.properties)
}

function isProperties (value: unknown): boolean {
  // Serialized here to find values that JSON cannot represent before they are batched with other checks.
  return value === undefined || (isRecord(value) && JSON.stringify(value).startsWith('{'))
}

function isText (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
