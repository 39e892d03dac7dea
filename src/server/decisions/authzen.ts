// OpenID AuthZEN 1.0 (https://openid.net/specs/authorization-api-1_0.html): evaluation, evaluations and metadata.
import Type, { type Static } from 'typebox'
import { Failure, toFailure } from '../http/error-responses.js'
import { shorten } from '../../kit/shorten.js'
import { decideMany, Explanations, mapped } from './bounded-decisions.js'
import { MAX_VALUES_OF_MANY, ok, route, type Answer, type Decider, type Route } from '../http/route.js'
import { checkerOf } from '../http/validation.js'
import { Action, complete, Context, isUser, Resource, Subject, toQuery, type Evaluation } from './authzen-query.js'
import { MAX_BULK } from './wire.js'
import type { EngineQuery } from '../../engine/engine-query.js'

const Defaults = Type.Object({
  subject: Type.Optional(Subject),
  action: Type.Optional(Action),
  resource: Type.Optional(Resource),
  context: Context
})

const Decision = Type.Object({ decision: Type.Boolean(), context: Type.Optional(Type.Unknown()) })

const Semantic = Type.Enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'], {
  description: 'Whether the first deny or the first allow ends the batch. It is the last item of the answer.'
})

const Item = Type.Unknown({ description: 'The same members as at the top level. A malformed item is denied, with an error in `context`.' })

const Evaluations = Type.Object({
  ...Defaults.properties,
  evaluations: Type.Optional(Type.Array(Item, { maxItems: MAX_BULK })),
  options: Type.Optional(Type.Union([Type.Object({ evaluations_semantic: Type.Optional(Semantic) }), Type.Null()]))
})

/** The decision that ends a batch. */
const ENDS_WITH: Readonly<Record<Static<typeof Semantic>, boolean | undefined>> = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true
}

const ENDPOINTS = {
  access_evaluation_endpoint: '/access/v1/evaluation',
  access_evaluations_endpoint: '/access/v1/evaluations',
  search_subject_endpoint: '/access/v1/search/subject',
  search_resource_endpoint: '/access/v1/search/resource',
  search_action_endpoint: '/access/v1/search/action'
} as const

const Metadata = Type.Object({
  policy_decision_point: Type.String(),
  ...Object.fromEntries(Object.keys(ENDPOINTS).map(name => [name, Type.String()]))
})

type Decided = Static<typeof Decision>

const checkItem = checkerOf(Defaults, 'body')

/** The decision routes of AuthZEN 1.0, and its metadata. */
export const authzenRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/access/v1/evaluation',
    summary: 'Decides one question (AuthZEN). `action.properties` is ignored: conditions cannot use it.',
    body: Defaults,
    answer: Decision,
    handle: ({ body, decider, debug, userTypes }) => ok(evaluate(decider, questionOf(complete(body), userTypes), debug))
  }),

  route({
    method: 'POST',
    path: '/access/v1/evaluations',
    summary: 'Decides many questions, with defaults in the keys at the top level (AuthZEN). Without a list it decides one.',
    body: Evaluations,
    values: MAX_VALUES_OF_MANY,
    answer: Type.Union([Type.Object({ evaluations: Type.Array(Decision) }), Decision]),
    async handle ({
      body: { evaluations = [], options, ...defaults }, decider, debug, userTypes, bytes, inTimeSlices
    }): Promise<Answer<Decided | { evaluations: Decided[] }>> {
      if (evaluations.length === 0) return ok(evaluate(decider, questionOf(complete(defaults), userTypes), debug))
      const queries = await inTimeSlices(mapped(evaluations, evaluation => queryOrFailure(evaluation, defaults, userTypes)))
      // A batch without a single valid item is malformed as a whole. Otherwise each item gets its own answer.
      if (queries.every(query => query instanceof Failure)) throw new Failure(400, `evaluations[0]: ${(queries[0] as Failure).message}`)
      const last = ENDS_WITH[options?.evaluations_semantic ?? 'execute_all']
      const explanations = new Explanations(debug, bytes)
      const answerOther = (query: NoUser | Failure): Decided => excuse(query, explanations, debug)
      return ok({ evaluations: await inTimeSlices(decideMany(decider, queries, explanations, answerOf, last, answerOther)) })
    }
  }),

  route({
    method: 'GET',
    path: '/.well-known/authzen-configuration',
    summary: 'Where the AuthZEN endpoints are.',
    answer: Metadata,
    handle ({ request: { protocol, host } }) {
      const base = `${protocol}://${host}`
      const endpoints = Object.entries(ENDPOINTS).map(([name, path]) => [name, base + path])
      return ok({ policy_decision_point: base, ...Object.fromEntries(endpoints) })
    }
  })
]

/** A subject whose type is not a user type. It is denied everything. */
interface NoUser { readonly noUser: string }

function questionOf (evaluation: ReturnType<typeof complete>, userTypes: readonly string[] | undefined): EngineQuery | NoUser {
  const { type } = evaluation.subject
  return isUser(type, userTypes) ? toQuery(evaluation) : { noUser: type }
}

type Question = EngineQuery | NoUser | Failure

function queryOrFailure (evaluation: unknown, defaults: Evaluation, userTypes: readonly string[] | undefined): Question {
  try {
    const { context, ...own } = checkItem(evaluation) as Evaluation
    return questionOf(complete({ ...defaults, ...own, context: context ?? defaults.context }), userTypes)
  } catch (error) {
    return toFailure(error)
  }
}

function answerOf (decision: boolean, context: unknown): Decided {
  return context === undefined ? { decision } : { decision, context }
}

/** The answer to an item that is malformed, or whose subject is not a user. */
function excuse (query: NoUser | Failure, explanations: Explanations, withDebug: boolean): Decided {
  if (query instanceof Failure) return answerOf(false, explanations.takeAnyway(() => ({ error: { status: 400, message: query.message } })))
  return answerOf(false, withDebug ? explanations.take(() => reasonOf(query)) : undefined)
}

function reasonOf ({ noUser }: NoUser) {
  return { reason: `subjects of type '${shorten(noUser, 100)}' are not users` }
}

function evaluate (decider: Decider, query: EngineQuery | NoUser, withDebug: boolean): Decided {
  if ('noUser' in query) return { decision: false, ...(withDebug ? { context: reasonOf(query) } : {}) }
  if (!withDebug) return { decision: decider.decide(query).allow }
  const { allow, debug } = decider.explain(query)
  return { decision: allow, context: debug }
}
