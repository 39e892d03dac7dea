// OpenID AuthZEN 1.0 (https://openid.net/specs/authorization-api-1_0.html): evaluation, evaluations and metadata.
import Type, { type Static } from 'typebox'
import { Failure } from '../http/failures.js'
import { ok, route, type Answer, type Route } from '../http/route.js'
import { Attributes, Key, MAX_BULK } from './wire.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import type { EngineQuery } from '../../engine/query.js'
import type { DecisionEngine } from '../../environment/environment.js'

const Subject = Type.Object({ type: Key, id: Key, properties: Type.Optional(Attributes) })
const Action = Type.Object({ name: Key, properties: Type.Optional(Attributes) })
const Resource = Type.Object({ type: Key, id: Key, properties: Type.Optional(Attributes) }, {
  description: 'Its tenant is `properties.tenant`, as in Permit\'s PDP, or else `default`.'
})

const Evaluation = Type.Object({ subject: Subject, action: Action, resource: Resource, context: Type.Optional(Attributes) })
const PartialEvaluation = Type.Partial(Evaluation)

const Decision = Type.Object({ decision: Type.Boolean(), context: Type.Optional(Type.Unknown()) })

const Semantic = Type.Enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'], {
  description: 'Whether a first no, or a first yes, ends the batch. The answer then ends with it.'
})

const Evaluations = Type.Object({
  ...PartialEvaluation.properties,
  evaluations: Type.Optional(Type.Array(PartialEvaluation, { maxItems: MAX_BULK })),
  options: Type.Optional(Type.Object({ evaluations_semantic: Type.Optional(Semantic) }))
})

/** What a decision has to be for a batch to end with it. */
const ENDS_WITH: Readonly<Record<Static<typeof Semantic>, boolean | undefined>> = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true
}

const Metadata = Type.Object({ policy_decision_point: Type.String(), access_evaluation_endpoint: Type.String(), access_evaluations_endpoint: Type.String() })

/** The routes of AuthZEN 1.0. */
export const authzenRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/access/v1/evaluation',
    summary: 'Decides one question (AuthZEN).',
    body: Evaluation,
    answer: Decision,
    handle: ({ body, environment }) => ok(evaluate(environment.engine, toQuery(body)))
  }),

  route({
    method: 'POST',
    path: '/access/v1/evaluations',
    summary: 'Decides many questions, for which the keys at the top are defaults (AuthZEN). Without a list it decides one.',
    body: Evaluations,
    answer: Type.Union([Type.Object({ evaluations: Type.Array(Decision) }), Decision]),
    handle ({ body: { evaluations = [], options, ...defaults }, environment }): Answer<Static<typeof Decision> | { evaluations: Array<Static<typeof Decision>> }> {
      if (evaluations.length === 0) return ok(evaluate(environment.engine, toQuery(complete(defaults))))
      // All of them are looked at before any is decided: a batch is malformed as a whole, however early it might have ended.
      const queries = evaluations.map((evaluation, index) => toQuery(complete({ ...defaults, ...evaluation }, index)))
      const end = ENDS_WITH[options?.evaluations_semantic ?? 'execute_all']
      const decisions: Array<Static<typeof Decision>> = []
      for (const query of queries) {
        const decision = evaluate(environment.engine, query)
        decisions.push(decision)
        if (decision.decision === end) break
      }
      return ok({ evaluations: decisions })
    }
  }),

  route({
    method: 'GET',
    path: '/.well-known/authzen-configuration',
    summary: 'Where the AuthZEN endpoints are.',
    answer: Metadata,
    handle ({ request: { protocol, host } }) {
      const base = `${protocol}://${host}`
      return ok({
        policy_decision_point: base,
        access_evaluation_endpoint: `${base}/access/v1/evaluation`,
        access_evaluations_endpoint: `${base}/access/v1/evaluations`
      })
    }
  })
]

function complete (evaluation: Static<typeof PartialEvaluation>, index?: number): Static<typeof Evaluation> {
  const { subject, action, resource, context } = evaluation
  if (subject !== undefined && action !== undefined && resource !== undefined) return { subject, action, resource, context }
  const missing = subject === undefined ? 'subject' : action === undefined ? 'action' : 'resource'
  throw new Failure(400, `${index === undefined ? '' : `evaluations[${index}]: `}there is no ${missing}, and no default for it`)
}

function toQuery ({ subject, action, resource, context }: Static<typeof Evaluation>): EngineQuery {
  const tenant = resource.properties?.['tenant'] ?? DEFAULT_TENANT
  if (typeof tenant !== 'string' || tenant === '') throw new Failure(400, 'resource.properties.tenant: must be a string that is not empty')
  return {
    user: { key: subject.id, attributes: subject.properties },
    action: action.name,
    resource: { type: resource.type, key: resource.id, tenant, attributes: resource.properties },
    context
  }
}

function evaluate (engine: DecisionEngine, query: EngineQuery): Static<typeof Decision> {
  const { allow, debug } = engine.explain(query)
  return { decision: allow, context: debug }
}
