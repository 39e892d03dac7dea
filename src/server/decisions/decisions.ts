// The questions that Permit's PDP answers, asked of the engine.
import Type from 'typebox'
import { decideMany, Explanations, mapped } from './bounded-decisions.js'
import { MAX_VALUES_OF_MANY, ok, route, type Route } from '../http/route.js'
import {
  Allowed, AllowedQuery, AllTenants, AllTenantsQuery, AuthorizedUsers, AuthorizedUsersQuery, contextOf, MAX_BULK, toEngineQuery, toEngineResource, toEngineUser,
  UrlQuery, UserPermissions, UserPermissionsQuery, UserTenants, UserTenantsQuery
} from './wire.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { withoutNulls } from './answer-without-nulls.js'
import type { EngineQuery } from '../../engine/engine-query.js'
import type { DecisionEngine } from '../../environment/environment.js'

/** The decision routes of the PDP. */
export const decisionRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/allowed',
    summary: 'Decides one question.',
    body: AllowedQuery,
    answer: Allowed,
    handle: ({ body, environment, debug }) => ok(allowed(environment.engine, toEngineQuery(body), debug))
  }),

  route({
    method: 'POST',
    path: '/allowed/bulk',
    summary: 'Decides many questions, and answers in their order.',
    body: Type.Array(AllowedQuery, { maxItems: MAX_BULK }),
    values: MAX_VALUES_OF_MANY,
    answer: Type.Object({ allow: Type.Array(Allowed) }),
    handle: async ({ body, environment, debug, bytes, inTurns }) => ok({
      allow: await inTurns(decideMany(environment.engine, body.map(toEngineQuery), new Explanations(debug, bytes), (allow, debug) => ({ allow, result: allow, ...(debug === undefined ? {} : { debug }) })))
    })
  }),

  route({
    method: 'POST',
    path: '/allowed/all-tenants',
    summary: 'The tenants in which the answer is yes. With `context.optimized` only roles are asked.',
    body: AllTenantsQuery,
    answer: AllTenants,
    async handle ({ body, environment: { engine }, debug, bytes, inTurns }) {
      const query = toEngineQuery(body)
      const tenants = await inTurns(engine.stepsOfAllTenants(query))
      const explanations = new Explanations(debug, bytes)
      return ok({
        allowed_tenants: await inTurns(mapped(tenants, ({ tenant, allow }) => {
          const why = explanations.take(() => engine.explain({ ...query, resource: { ...query.resource, tenant: tenant.key } }).debug)
          return withoutNulls({ allow, result: false, tenant, ...(why === undefined ? {} : { debug: why }) })
        }))
      })
    }
  }),

  route({
    method: 'POST',
    path: '/allowed_url',
    summary: 'Decides by URL mapping rules. The local PDP has none, and so the answer is always no, as it is in the container when no rule matches.',
    body: UrlQuery,
    answer: Type.Object({ allow: Type.Boolean(), result: Type.Boolean(), query: Type.Unknown(), debug: Type.Object({ reason: Type.String(), mapping_rules: Type.Array(Type.Unknown()) }) }),
    handle: ({ body }) => ok(withoutNulls({
      allow: false,
      result: false,
      query: body,
      debug: { reason: 'the local PDP has no URL mapping rules: ask /allowed, with the resource and the action that the URL stands for', mapping_rules: [] }
    }))
  }),

  route({
    method: 'POST',
    path: '/user-permissions',
    summary: 'What the user may do, by tenant and by resource instance.',
    body: UserPermissionsQuery,
    answer: UserPermissions,
    handle: async ({ body: { user, tenants, resources, resource_types: types, context }, environment, inTurns }) => ok(await inTurns(environment.engine.stepsOfUserPermissions(toEngineUser(user), {
      tenants: tenants ?? undefined,
      resources: resources ?? undefined,
      resource_types: types ?? undefined,
      context: context ?? undefined
    })))
  }),

  route({
    method: 'POST',
    path: '/user-tenants',
    summary: 'The tenants in which the user has a role.',
    body: UserTenantsQuery,
    answer: UserTenants,
    async handle ({ body, environment, inTurns }) {
      const tenants = await inTurns(environment.engine.stepsOfUserTenants(toEngineUser(body.user)))
      return ok(await inTurns(mapped(tenants, withoutNulls)))
    }
  }),

  route({
    method: 'POST',
    path: '/authorized_users',
    summary: 'Everybody who may do the action, and by which roles. With `context.enable_abac_authorized_users` by which user sets, too.',
    body: AuthorizedUsersQuery,
    answer: AuthorizedUsers,
    async handle ({ body: { action, resource, context }, environment, inTurns }) {
      const answer = await inTurns(environment.engine.stepsOfAuthorizedUsers({ action, resource: toEngineResource(resource), context: contextOf(resource, context) }))
      return ok({ ...answer, resource: `${resource.type}:${resource.key ?? '*'}`, tenant: resource.tenant ?? DEFAULT_TENANT })
    }
  })
]

/** A decision as the PDP's wire has it. */
export function allowed (engine: DecisionEngine, query: EngineQuery, withDebug: boolean) {
  if (!withDebug) {
    const { allow } = engine.decide(query)
    return { allow, result: allow }
  }
  const { allow, debug } = engine.explain(query)
  return { allow, result: allow, debug }
}
