// The three searches of AuthZEN 1.0 (section 8), page by page.
import { PdpError, SearchError, UnavailableError, UnsupportedError } from '../../contract/errors.js'
import type { JsonObject, Query, QueryResource, SearchAsking, SearchQuestion } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import type { Transport } from '../http/transport.js'
import { decidedAnew, type Forgotten } from '../caller-headers.js'
import { PageReader } from '../page-reader.js'
import { mayLackSomething } from '../is-denial.js'
import { errorIn } from './read-evaluation.js'
import type { Endpoints } from './discovery.js'
import { ANY_ID, type Mapping } from './mapping.js'

/** Results that are asked for at a time. */
const PAGE = 1_000

export interface AuthZenSearching {
  readonly transport: Pick<Transport, 'send' | 'name'>
  readonly mapping: Mapping
  /** Those of the keys whose resources belong to the tenant, where another question tells. */
  readonly belonging: (
    keys: readonly string[], resource: QueryResource, context: JsonObject | undefined, deadline: number
  ) => Promise<readonly string[]>
  /** Whether a cache of the PDP may have what was forgotten. */
  readonly forgotten: Forgotten
}

type Searchable = Exclude<SearchQuestion, { find: 'tenants' }>

/** Which part of the evaluation is searched for: its endpoint, and what identifies a result. */
const PARTS = {
  resources: { part: 'resource', endpoint: 'searchResource', id: 'id' },
  users: { part: 'subject', endpoint: 'searchSubject', id: 'id' },
  actions: { part: 'action', endpoint: 'searchAction', id: 'name' }
} as const

/** The pages of a search. */
export async function * authzenSearch (
  { transport, mapping, belonging, forgotten }: AuthZenSearching, endpoints: Endpoints, question: Searchable,
  { deadline, limit, signal }: SearchAsking
): AsyncGenerator<readonly string[], void, undefined> {
  const { part, endpoint } = PARTS[question.find]
  const path = endpoints[endpoint]
  if (path === undefined) throw noSearch(question, transport.name)
  const parts = partsOf(question, ANY_ID, mapping)
  // Each check would be denied without asking the PDP.
  if (parts === undefined) return
  const { given, searched } = parts
  // A search for actions has no action.
  const named = question.find === 'actions' ? given : { ...given, [part]: searched }
  // A list may be about any user.
  const anew = forgotten()
  const asked = anew ? { ...named, context: mapping.unseen(given.context ?? {}) } : named
  const headers = anew ? decidedAnew(undefined) : undefined
  const reader = new PageReader(transport.name)
  const session = {}
  do {
    const page = { limit: Math.min(limit, PAGE), ...(reader.token === undefined ? {} : { token: reader.token }) }
    const body = JSON.stringify({ ...asked, page })
    let answer: Answer
    try {
      answer = await transport.send({
        method: 'POST', path, headers, body, deadline: deadline(), read: readAnswer, needsReadyPdp: mayLackSomething, signal, session
      })
    } catch (error) {
      const status = error instanceof PdpError && error.failure === 'status' ? error.status : undefined
      if (status === 404 || status === 405 || status === 501) throw noSearch(question, transport.name)
      throw new UnavailableError(error)
    }
    reader.read(answer.page, answer.results.length)
    const found = keysIn(answer.results, question, searched.type, mapping)
    if (mapping.hasMap) requireSame(found, question, mapping)
    const keys = found.map(({ key }) => key)
    const isFiltered = mapping.hasRelation && question.find === 'resources'
    yield isFiltered ? await belonging(keys, question.resource, question.context, deadline()) : keys
  } while (reader.token !== undefined)
}

/** A subject, a resource or an action, without what identifies it. */
interface Entity { readonly type?: string, readonly id?: string, readonly name?: string, readonly properties?: object }

interface Answer { readonly results: readonly unknown[], readonly page: unknown }

function readAnswer (answer: unknown): Answer {
  const error = errorOf(answer)
  if (error !== undefined) throw error
  if (isRecord(answer) && Array.isArray(answer['results'])) return { results: answer['results'], page: answer['page'] }
  throw new PdpError('answer', "the PDP's response to a search has no list of results")
}

/** The error that an answer, or one of its results, has in place of what was asked for. */
function errorOf (answer: unknown): PdpError | undefined {
  if (!isRecord(answer)) return undefined
  const { context, error, errors } = answer
  return errorIn({ error, errors }) ?? (isRecord(context) ? errorIn(context) : undefined)
}

/** A result: the id that the PDP has, and the key that a check takes. */
interface Found { readonly id: string, readonly key: string }

function keysIn (results: readonly unknown[], question: Searchable, type: string | undefined, mapping: Mapping): Found[] {
  const { part, id: name } = PARTS[question.find]
  const found: Found[] = []
  for (const result of results) {
    const error = errorOf(result)
    if (error !== undefined) throw new UnavailableError(error)
    const id: unknown = isRecord(result) ? result[name] : undefined
    if (!isRecord(result) || typeof id !== 'string' || id === '' || (name === 'id' && result['type'] !== type)) {
      throw new UnavailableError(new PdpError('answer',
        `the PDP's response to a search has a result that is no ${part} of the kind that was asked about`))
    }
    if (question.find === 'resources') {
      // Some say the tenant, and find resources of others, too.
      const properties: unknown = result['properties']
      const { tenant } = question.resource
      if (isRecord(properties) && typeof properties['tenant'] === 'string' && properties['tenant'] !== tenant) continue
    }
    if (question.find === 'users' && id === ANY_ID) {
      throw new SearchError('the PDP allows it to all users, so there is no list of them. Use check() or bulkCheck()')
    }
    const key = keyOf(id, question, mapping)
    if (key !== undefined) found.push({ id, key })
  }
  return found
}

/** Undefined for an id that no key of this tenant has, or that stands for a whole type: no check would be about it. */
function keyOf (id: string, question: Searchable, mapping: Mapping): string | undefined {
  if (question.find === 'actions') return mapping.actionName(id, question.resource)
  if (question.find === 'users') return mapping.userKey(id)
  const { type, tenant } = question.resource
  return mapping.resourceKey(id, type, tenant)
}

/**
 * Results count if a check for the key would be the question that was searched. `map` may give keys other ids, or make other parts depend
 * on the key: then the PDP has answered another question.
 */
function requireSame (found: readonly Found[], question: Searchable, mapping: Mapping): void {
  const { part } = PARTS[question.find]
  const text = JSON.stringify(partsOf(question, ANY_ID, mapping)?.given) + JSON.stringify(partsOf(question, ANY_ID, mapping)?.searched)
  for (const { id, key } of found) {
    const asked = partsOf(question, key, mapping, true)
    if (asked?.id === id && JSON.stringify(asked.given) + JSON.stringify(asked.searched) === text) continue
    throw new SearchError(`the option "authzen.map" gives a ${part} another id than its key, or makes other parts depend on the key, ` +
      'so that a search cannot find what a check would allow. Use filter() or bulkCheck()')
  }
}

/**
 * The evaluation in parts: what is given, what is searched, and the id in it. Undefined when it would be denied without asking.
 * @param key - stands for what is searched
 * @param isKnown - whether the key is a real one
 */
function partsOf (question: Searchable, key: string, mapping: Mapping, isKnown = false) {
  const { part, id } = PARTS[question.find]
  const evaluation = mapping.evaluationOf(queryOf(question, key), isKnown || part === 'action' ? undefined : part)
  if ('allow' in evaluation) return undefined
  const { [part]: whole, ...given } = evaluation
  const { [id as 'id']: found, ...searched } = whole as Entity
  return { given, searched: searched as Omit<Entity, 'id'>, id: found }
}

/** The query of a check, in which `key` stands for what is searched. */
function queryOf (question: Searchable, key: string): Query {
  const { find, resource, context } = question
  return {
    user: find === 'users' ? { key } : question.user,
    action: find === 'actions' ? key : question.action,
    resource: find === 'resources' ? { ...resource, key } : resource,
    context,
    key: ''
  }
}

function noSearch ({ find }: Searchable, name: string): Error {
  const hint = find === 'resources' ? ". With Cerbos, set the option authzen: { plans: 'cerbos' } for plan()" : ''
  return new UnsupportedError(`the AuthZEN PDP ${name} has no search for ${find}. Use filter() or bulkCheck() instead${hint}`)
}
