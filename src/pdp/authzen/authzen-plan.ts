// Plans of an AuthZEN PDP: the resources that its search finds, page by page; of Cerbos, its own plans.
import { PlanError, SearchError, UnavailableError } from '../../contract/errors.js'
import type { Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import { decidedAnew } from '../caller-headers.js'
import { planOfKeys } from '../keys-plan.js'
import { mayLackSomething } from '../is-denial.js'
import { cerbosPlanBody, readCerbosPlan } from './cerbos-plan.js'
import type { Endpoints } from './discovery.js'
import { authzenSearch, type AuthZenSearching } from './search-endpoints.js'

/** The most resources in a plan. */
const MAX_KEYS = 10_000

export interface AuthZenPlanning extends AuthZenSearching {
  /** The path of the PDP's URL, without a slash at its end. */
  readonly prefix: string
}

/** Asks Cerbos for a plan. */
export async function cerbosPlan (
  { transport, mapping, prefix, forgotten }: AuthZenPlanning, question: PlanQuestion, deadline: number
): Promise<Plan> {
  const { user, action, type, tenant, context } = question
  const evaluation = mapping.evaluationOf({ user, action, resource: { type, tenant }, context, key: '' })
  if ('allow' in evaluation) return { kind: 'none', type, tenant }
  const body = cerbosPlanBody(evaluation)
  const read = (answer: unknown): Plan | Error => readCerbosPlan(answer, question)
  let plan: Plan | Error
  try {
    const path = `${prefix}/api/plan/resources`
    const headers = forgotten() ? decidedAnew(undefined) : undefined
    plan = await transport.send({ method: 'POST', path, headers, body, deadline, read, needsReadyPdp: mayLackSomething })
  } catch (error) {
    throw new UnavailableError(error)
  }
  if (plan instanceof Error) throw plan
  return plan
}

/** Lists the resources that the user may act on. */
export async function searchPlan (
  searching: AuthZenSearching, endpoints: Endpoints, { user, action, type, tenant, context }: PlanQuestion, deadline: number
): Promise<Plan> {
  const keys = new Set<string>()
  const question = { find: 'resources' as const, user, action, resource: { type, tenant }, context }
  try {
    for await (const page of authzenSearch(searching, endpoints, question, { deadline: () => deadline, limit: MAX_KEYS })) {
      for (const key of page) keys.add(key)
      if (keys.size > MAX_KEYS) {
        const { name } = searching.transport
        throw new PlanError(`the search of ${name} finds more than ${MAX_KEYS} resources; a plan cannot list them. Use filter()`)
      }
    }
  } catch (error) {
    throw error instanceof SearchError ? new PlanError(error.message) : error
  }
  return planOfKeys(keys, type, tenant)
}
