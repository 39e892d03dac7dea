// Plans of an AuthZEN PDP: the resources that its search finds, page by page; of Cerbos, its own plans.
import { PdpError, PlanError, UnavailableError, UnsupportedError } from '../../contract/errors.js'
import type { Evaluation, EvaluationMap } from '../../contract/evaluation.js'
import type { Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import { readJson } from '../../kit/read-json.js'
import type { Transport } from '../http/transport.js'
import { planOfKeys } from '../keys-plan.js'
import { cerbosPlanBody, readCerbosPlan } from './cerbos-plan.js'
import type { Endpoints } from './discovery.js'
import { writeEvaluation } from './mapping.js'

/** The most resources in a plan. */
const MAX_KEYS = 10_000
/** The most pages that are read for one plan. */
const MAX_PAGES = 200
/** Resources that are asked for on a page. */
const PAGE = 1_000

export interface AuthZenPlanning {
  readonly transport: Pick<Transport, 'send' | 'name'>
  readonly map: EvaluationMap | undefined
  /** The path of the PDP's URL, without a slash at its end. */
  readonly prefix: string
}

/** Asks Cerbos for a plan. */
export async function cerbosPlan ({ transport, map, prefix }: AuthZenPlanning, question: PlanQuestion, deadline: number): Promise<Plan> {
  const body = cerbosPlanBody(evaluationOf(question, map))
  const read = (answer: unknown): Plan | Error => readCerbosPlan(answer, question)
  let plan: Plan | Error
  try {
    plan = await transport.send({ method: 'POST', path: `${prefix}/api/plan/resources`, body, deadline, read })
  } catch (error) {
    throw new UnavailableError(error)
  }
  if (plan instanceof Error) throw plan
  return plan
}

/** Lists the resources that the user may act on. */
export async function searchPlan (
  { transport, map }: AuthZenPlanning, endpoints: Endpoints, question: PlanQuestion, deadline: number
): Promise<Plan> {
  const { searchResource: path } = endpoints
  if (path === undefined) throw noSearch(transport.name)
  const { type, tenant } = question
  const { subject, action, resource: { type: kind, properties }, context } = evaluationOf(question, map)
  const keys = new Set<string>()
  let token: string | undefined
  for (let page = 0; ; page++) {
    const asked = { limit: PAGE, ...(token === undefined ? {} : { token }) }
    const body = JSON.stringify({ subject, action, resource: { type: kind, properties }, context, page: asked })
    const { found, next } = await send(transport, path, body, deadline, kind, tenant)
    for (const key of found) keys.add(key)
    if (next === undefined) return planOfKeys(keys, type, tenant)
    if (keys.size >= MAX_KEYS || page >= MAX_PAGES || next === token) {
      throw new PlanError(
        `the search of ${transport.name} finds more than ${MAX_KEYS} resources, or does not end; a plan cannot list them. Use filter()`)
    }
    token = next
  }
}

interface Page { readonly found: readonly string[], readonly next: string | undefined }

async function send (
  transport: AuthZenPlanning['transport'], path: string, body: string, deadline: number, type: string, tenant: string
): Promise<Page> {
  try {
    return await transport.send({ method: 'POST', path, body, deadline, read: answer => readPage(answer, type, tenant) })
  } catch (error) {
    const status = error instanceof PdpError ? error.status : undefined
    if (status === 404 || status === 405 || status === 501) throw noSearch(transport.name)
    throw new UnavailableError(error)
  }
}

function readPage (answer: unknown, type: string, tenant: string): Page {
  const results: unknown = isRecord(answer) ? answer['results'] : undefined
  if (!isRecord(answer) || !Array.isArray(results)) throw new PdpError('answer', "the PDP's response to a search has no list of results")
  const found: string[] = []
  for (const result of results) {
    if (!isRecord(result) || typeof result['id'] !== 'string' || result['type'] !== type) {
      throw new PdpError('answer', "the PDP's response to a search has a result that is no resource of the type that was asked about")
    }
    // Some say the tenant, and find resources of others, too.
    const properties: unknown = result['properties']
    if (isRecord(properties) && typeof properties['tenant'] === 'string' && properties['tenant'] !== tenant) continue
    found.push(result['id'])
  }
  const page: unknown = answer['page']
  const next: unknown = isRecord(page) ? page['next_token'] : undefined
  return { found, next: typeof next === 'string' && next !== '' ? next : undefined }
}

function evaluationOf ({ user, action, type, tenant, context }: PlanQuestion, map: EvaluationMap | undefined): Evaluation {
  const written = writeEvaluation({ user, action, resource: { type, tenant }, context, key: '' }, map)
  const parts = (['subject', 'action', 'resource', 'context'] as const).map(name => [name, readJson(written[name])])
  return Object.fromEntries(parts) as Evaluation
}

function noSearch (name: string): Error {
  return new UnsupportedError(`plan() is not supported by the AuthZEN PDP ${name}: it has no resource search. Use filter() instead. ` +
    "With Cerbos, set the option authzen: { plans: 'cerbos' }")
}
