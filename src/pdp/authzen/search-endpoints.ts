// The three searches of AuthZEN 1.0 (section 8), page by page.
import { PdpError, SearchError, UnavailableError, UnsupportedError } from '../../contract/errors.js'
import type { Evaluation, EvaluationMap } from '../../contract/evaluation.js'
import type { SearchAsking, SearchQuestion } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import { readJson } from '../../kit/read-json.js'
import type { Transport } from '../http/transport.js'
import { PageReader } from '../page-reader.js'
import { mayLackSomething } from '../says-no.js'
import type { Endpoints } from './discovery.js'
import { ANY_ID, writeEvaluation } from './mapping.js'

/** Results that are asked for at a time. */
const PAGE = 1_000

export interface AuthZenSearching {
  readonly transport: Pick<Transport, 'send' | 'name'>
  readonly map: EvaluationMap | undefined
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
  { transport, map }: AuthZenSearching, endpoints: Endpoints, question: Searchable, { deadline, limit, signal }: SearchAsking
): AsyncGenerator<readonly string[], void, undefined> {
  const { part, endpoint } = PARTS[question.find]
  const path = endpoints[endpoint]
  if (path === undefined) throw noSearch(question, transport.name)
  const { given, searched } = partsOf(question, ANY_ID, map)
  // A search for actions has no action.
  const asked = question.find === 'actions' ? given : { ...given, [part]: searched }
  const reader = new PageReader(transport.name)
  const session = {}
  do {
    const page = { limit: Math.min(limit, PAGE), ...(reader.token === undefined ? {} : { token: reader.token }) }
    const body = JSON.stringify({ ...asked, page })
    let answer: Answer
    try {
      answer = await transport.send({
        method: 'POST', path, body, deadline: deadline(), read: readAnswer, needsReadyPdp: mayLackSomething, signal, session
      })
    } catch (error) {
      const status = error instanceof PdpError ? error.status : undefined
      if (status === 404 || status === 405 || status === 501) throw noSearch(question, transport.name)
      throw new UnavailableError(error)
    }
    reader.read(answer.page, answer.results.length)
    const keys = keysIn(answer.results, question, searched.type)
    if (map !== undefined) requireSame(keys, question, map)
    yield keys
  } while (reader.token !== undefined)
}

/** A subject, a resource or an action, without what identifies it. */
interface Entity { readonly type?: string, readonly id?: string, readonly name?: string, readonly properties?: object }

interface Answer { readonly results: readonly unknown[], readonly page: unknown }

function readAnswer (answer: unknown): Answer {
  if (isRecord(answer) && Array.isArray(answer['results'])) return { results: answer['results'], page: answer['page'] }
  throw new PdpError('answer', "the PDP's response to a search has no list of results")
}

function keysIn (results: readonly unknown[], question: Searchable, type: string | undefined): string[] {
  const { part, id } = PARTS[question.find]
  const keys: string[] = []
  for (const result of results) {
    const key: unknown = isRecord(result) ? result[id] : undefined
    if (!isRecord(result) || typeof key !== 'string' || key === '' || (id === 'id' && result['type'] !== type)) {
      throw new UnavailableError(new PdpError('answer',
        `the PDP's response to a search has a result that is no ${part} of the kind that was asked about`))
    }
    if (question.find === 'resources') {
      // A check for this key would be about the type, and is denied.
      if (key === ANY_ID) continue
      // Some say the tenant, and find resources of others, too.
      const properties: unknown = result['properties']
      const { tenant } = question.resource
      if (isRecord(properties) && typeof properties['tenant'] === 'string' && properties['tenant'] !== tenant) continue
    }
    keys.push(key)
  }
  return keys
}

/**
 * Results count if a check for the key would be the question that was searched. `map` may give keys other ids, or make other parts depend
 * on the key: then the PDP has answered another question.
 */
function requireSame (keys: readonly string[], question: Searchable, map: EvaluationMap): void {
  const { part } = PARTS[question.find]
  const { id: _any, ...searched } = partsOf(question, ANY_ID, map)
  const text = JSON.stringify(searched)
  for (const key of keys) {
    const { id, ...asked } = partsOf(question, key, map)
    if (id === key && JSON.stringify(asked) === text) continue
    throw new SearchError(`the option "authzen.map" gives a ${part} another id than its key, or makes other parts depend on the key, ` +
      'so that a search cannot find what a check would allow. Use filter() or bulkCheck()')
  }
}

/** The evaluation in parts: what is given, what is searched, and the id in it. */
function partsOf (question: Searchable, key: string, map: EvaluationMap | undefined) {
  const { part, id } = PARTS[question.find]
  const { [part]: whole, ...given } = evaluationOf(question, key, map)
  const { [id as 'id']: found, ...searched } = whole as Entity
  return { given, searched: searched as Omit<Entity, 'id'>, id: found }
}

/** The evaluation that a check would send, in which `key` stands for what is searched. */
function evaluationOf (question: Searchable, key: string, map: EvaluationMap | undefined): Evaluation {
  const { find, resource, context } = question
  const written = writeEvaluation({
    user: find === 'users' ? { key } : question.user,
    action: find === 'actions' ? key : question.action,
    resource: find === 'resources' ? { ...resource, key } : resource,
    context,
    key: ''
  }, map)
  const parts = (['subject', 'action', 'resource', 'context'] as const).map(name => [name, readJson(written[name])])
  return Object.fromEntries(parts) as Evaluation
}

function noSearch ({ find }: Searchable, name: string): Error {
  const hint = find === 'resources' ? ". With Cerbos, set the option authzen: { plans: 'cerbos' } for plan()" : ''
  return new UnsupportedError(`the AuthZEN PDP ${name} has no search for ${find}. Use filter() or bulkCheck() instead${hint}`)
}
