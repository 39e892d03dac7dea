// The route of plans, which the plugin asks: Permit's PDP has none, so its path is one that Permit's cannot have.
import Type from 'typebox'
import { PlanError } from '../../contract/errors.js'
import { ok, route, type Route } from '../http/route.js'
import { Attributes, Key, toEngineUser, WireUser } from './wire.js'
import { PLAN_PATH } from '../../contract/plan.js'
import { NoPlanError } from '../../engine/plan/plan-query.js'
import { stepsOfPlan } from '../../engine/plan/planner.js'

/** The most bytes of a plan: as many as the plugin reads. */
const MAX_PLAN = 1_000_000

const Question = Type.Object({
  user: WireUser,
  action: Type.String(),
  type: Type.String(),
  tenant: Key,
  context: Type.Optional(Attributes),
  relations: Type.Optional(Type.Array(Type.String(), { description: 'Relations that are columns of the table.' }))
})

const Answer = Type.Object({
  kind: Type.Optional(Type.Enum(['all', 'none', 'some'])),
  type: Type.Optional(Type.String()),
  tenant: Type.Optional(Type.String()),
  condition: Type.Optional(Type.Object({ operator: Type.String(), field: Type.Optional(Type.String()), value: Type.Unknown() }, {
    description: 'With `kind: some`: UCAST. See docs/lists.md.'
  })),
  sources: Type.Optional(Type.Unsafe<Readonly<Record<string, readonly string[]>>>(Type.Record(Type.String(), Type.Array(Type.String())))),
  no_plan: Type.Optional(Type.String({ description: 'Why there is no exact plan; there is no other member then.' }))
})

/** The route of plans. */
export const planRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: PLAN_PATH,
    summary: 'Tells which rows of a resource type a user may act on, as a condition for a database. An extension of fastify-permit.',
    body: Question,
    answer: Answer,
    listing: {
      question: ({ user, action, type, tenant }) => ({ kind: 'plan', user: user.key, action, resource: type, tenant }),
      outcome: ({ kind, no_plan: why }) => kind === undefined ? { error: new PlanError(why ?? '') } : { rows: kind }
    },
    async handle ({ body: { user, action, type, tenant, context, relations }, environment, inTimeSlices }) {
      const query = { user: toEngineUser(user), action, type, tenant, context, relations }
      try {
        const { plan } = await inTimeSlices(stepsOfPlan(environment.engine.planning(query)))
        const size = plan.kind === 'some' ? Buffer.byteLength(JSON.stringify(plan)) : 0
        if (size <= MAX_PLAN) return ok(plan)
        return ok({ no_plan: `the plan has ${size} bytes, and may have ${MAX_PLAN}: the user reaches too many rows one by one` })
      } catch (error) {
        if (error instanceof NoPlanError) return ok({ no_plan: error.message })
        throw error
      }
    }
  })
]
