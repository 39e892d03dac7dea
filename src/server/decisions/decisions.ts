// The decision routes of Permit's PDP, answered by the engine.
import Type from 'typebox'
import { decideMany, Explanations, mapped } from './bounded-decisions.js'
import { MAX_VALUES_OF_MANY, nameOfResource, ok, outcomeOfSearch, route, type Decider, type Route } from '../http/route.js'
import {
  Allowed, AllowedQuery, AllTenants, AllTenantsQuery, AuthorizedUsers, AuthorizedUsersQuery, contextOf, MAX_BULK, toEngineQuery,
  toEngineResource, toEngineUser, UrlQuery, UserPermissions, UserPermissionsQuery, UserTenants, UserTenantsQuery
} from './wire.js'
import type { Debug } from '../../engine/explain/explain.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { withoutNulls } from './answer-without-nulls.js'
import type { EngineQuery } from '../../engine/engine-query.js'

const UrlAnswer = Type.Object({
  allow: Type.Boolean(),
  result: Type.Boolean(),
  query: Type.Unknown(),
  debug: Type.Optional(Type.Unknown())
})

/** The words of Permit's container. */
const NO_MAPPING_RULE = 'Matched mapping rule not found for the requested URL and HTTP method'

/** The most rules in the answer to a URL that none of them matches. */
const MAX_LISTED_RULES = 100

/** The decision routes of the PDP. */
export const decisionRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/allowed',
    summary: 'Decides one question.',
    body: AllowedQuery,
    answer: Allowed,
    handle: ({ body, decider, debug }) => ok(allowed(decider, toEngineQuery(body), debug))
  }),

  route({
    method: 'POST',
    path: '/allowed/bulk',
    summary: 'Decides many questions, and answers in the same order.',
    body: Type.Array(AllowedQuery, { maxItems: MAX_BULK }),
    values: MAX_VALUES_OF_MANY,
    answer: Type.Object({ allow: Type.Array(Allowed) }),
    async handle ({ body, decider, debug, bytes, inTimeSlices }) {
      const explanations = new Explanations(debug, bytes)
      return ok({ allow: await inTimeSlices(decideMany(decider, body.map(toEngineQuery), explanations, allowedOf)) })
    }
  }),

  route({
    method: 'POST',
    path: '/allowed/all-tenants',
    summary: 'Lists the tenants in which the user is allowed. With `context.optimized` only roles count.',
    body: AllTenantsQuery,
    answer: AllTenants,
    listing: {
      question: ({ user, action, resource }) => ({
        kind: 'tenants', user: user.key, action, resource: nameOfResource(resource), tenant: undefined
      }),
      outcome: ({ allowed_tenants: { length } }) => outcomeOfSearch(length)
    },
    async handle ({ body, environment: { engine }, debug, bytes, inTimeSlices }) {
      const query = toEngineQuery(body)
      const tenants = await inTimeSlices(engine.stepsOfAllTenants(query))
      const explanations = new Explanations(debug, bytes)
      return ok({
        allowed_tenants: await inTimeSlices(mapped(tenants, ({ tenant, allow }) => {
          const why = explanations.take(() => engine.explain({ ...query, resource: { ...query.resource, tenant: tenant.key } }).debug)
          return withoutNulls({ allow, result: false, tenant, ...(why === undefined ? {} : { debug: why }) })
        }))
      })
    }
  }),

  route({
    method: 'POST',
    path: '/allowed_url',
    summary: 'Decides by the URL mapping rules of the policy. Denies when no rule matches.',
    body: UrlQuery,
    answer: UrlAnswer,
    handle ({ body, decider, environment: { engine, schema }, debug }) {
      const { user, http_method: method, url, tenant, context } = body
      const mapped = engine.mapUrl(method, url)
      if (mapped === undefined) {
        const rules = Object.values(schema.proxy_configs ?? {}).flatMap(config => config?.mapping_rules ?? [])
        const why = debug ? { debug: { reason: NO_MAPPING_RULE, mapping_rules: rules.slice(0, MAX_LISTED_RULES) } } : {}
        return ok(withoutNulls({ allow: false, result: false, query: body, ...why }))
      }
      const { action, type, attributes } = mapped
      const query = toEngineQuery({ user, action, resource: { type, tenant, attributes }, context })
      return ok(withoutNulls({ query: {}, ...allowed(decider, query, debug) }))
    }
  }),

  route({
    method: 'POST',
    path: '/user-permissions',
    summary: 'Lists the permissions of a user, by tenant and by resource instance.',
    body: UserPermissionsQuery,
    answer: UserPermissions,
    async handle ({ body: { user, tenants, resources, resource_types: types, context }, environment, inTimeSlices }) {
      return ok(await inTimeSlices(environment.engine.stepsOfUserPermissions(toEngineUser(user), {
        tenants: tenants ?? undefined,
        resources: resources ?? undefined,
        resource_types: types ?? undefined,
        context: context ?? undefined
      })))
    }
  }),

  route({
    method: 'POST',
    path: '/user-tenants',
    summary: 'Lists the tenants in which the user has a role.',
    body: UserTenantsQuery,
    answer: UserTenants,
    listing: {
      question: ({ user }) => ({ kind: 'tenants', user: user.key, action: undefined, resource: undefined, tenant: undefined }),
      outcome: ({ length }) => outcomeOfSearch(length)
    },
    async handle ({ body, environment, inTimeSlices }) {
      const tenants = await inTimeSlices(environment.engine.stepsOfUserTenants(toEngineUser(body.user)))
      return ok(await inTimeSlices(mapped(tenants, withoutNulls)))
    }
  }),

  route({
    method: 'POST',
    path: '/authorized_users',
    summary: 'Lists the users who may do the action, with their roles; with `context.enable_abac_authorized_users` also by user sets.',
    body: AuthorizedUsersQuery,
    answer: AuthorizedUsers,
    listing: {
      question: ({ action, resource }) => ({
        kind: 'searchUsers', user: undefined, action, resource: nameOfResource(resource), tenant: resource.tenant ?? DEFAULT_TENANT
      }),
      outcome: ({ users }) => outcomeOfSearch(Object.keys(users).length)
    },
    async handle ({ body: { action, resource, context }, environment, inTimeSlices }) {
      const query = { action, resource: toEngineResource(resource), context: contextOf(resource, context) }
      const answer = await inTimeSlices(environment.engine.stepsOfAuthorizedUsers(query))
      return ok({ ...answer, resource: `${resource.type}:${resource.key ?? '*'}`, tenant: resource.tenant ?? DEFAULT_TENANT })
    }
  })
]

function allowedOf (allow: boolean, debug: Debug | undefined) {
  return { allow, result: allow, ...(debug === undefined ? {} : { debug }) }
}

/** Decides one question, and returns the decision in the format of the PDP. */
export function allowed (decider: Decider, query: EngineQuery, withDebug: boolean) {
  if (!withDebug) {
    const { allow } = decider.decide(query)
    return { allow, result: allow }
  }
  const { allow, debug } = decider.explain(query)
  return { allow, result: allow, debug }
}
