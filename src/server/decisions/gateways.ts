// The questions of gateways, which have no code to ask with: NGINX by headers, Kong by its OPA plugin; and the roles that the PDP knows.
import Type from 'typebox'
import { allowed } from './decisions.js'
import { invalid } from '../http/failures.js'
import { ok, route, type Route } from '../http/route.js'
import { isWanted, pageOf, PageQuery } from '../rest/paging.js'
import { Allowed } from './wire.js'
import { withoutNulls } from './answer-without-nulls.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import type { FactsReader } from '../../environment/environment.js'

const Texts = Type.Record(Type.String(), Type.String())
const anything = Type.Optional(Type.Unknown())

/** What Kong's OPA plugin sends. */
const KongQuery = Type.Object({
  input: Type.Object({
    request: Type.Object({
      http: Type.Object({
        host: Type.String(),
        port: Type.Integer(),
        tls: Type.Record(Type.String(), Type.Unknown()),
        method: Type.String(),
        scheme: Type.String(),
        path: Type.String(),
        querystring: Texts,
        headers: Texts
      })
    }),
    client_ip: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    service: anything,
    route: anything,
    consumer: Type.Optional(Type.Union([Type.Object({ id: Type.String(), username: Type.String() }), Type.Null()]))
  })
})

/** Which resource type a path stands for, as the container's table says: the first step, after a version. */
const KONG_PATHS: ReadonlyArray<(path: string) => string | undefined> = [
  path => /^\/v\d+\/([^/]+)/.exec(path)?.[1],
  path => /^\/([^/]+)/.exec(path)?.[1],
  path => path.startsWith('/') ? 'index' : undefined
]

const Assignment = Type.Object({ user: Type.String(), role: Type.String(), tenant: Type.String(), resource_instance: Type.Union([Type.String(), Type.Null()]) })

const filter = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())]))
const AssignmentsQuery = Type.Object({ user: filter, role: filter, tenant: filter, resource: filter, resource_instance: filter, ...PageQuery })

/** The resource type under which roles in tenants are. */
const TENANT_TYPE = '__tenant'

/** The routes of the container's older half that are no questions of SDKs. */
export const gatewayRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/nginx_allowed',
    summary: 'Decides one question that is in headers: permit-user-key, permit-tenant-id, permit-action, permit-resource-type. The answer is in the body, with 200 for a no, too.',
    answer: Allowed,
    handle ({ request: { headers }, environment, debug }) {
      const [user, action, type, tenant = DEFAULT_TENANT] = ['permit-user-key', 'permit-action', 'permit-resource-type', 'permit-tenant-id'].map(name => {
        const value = headers[name]
        return Array.isArray(value) ? value[0] : value
      })
      if (user === undefined || action === undefined || type === undefined) throw invalid('the headers permit-user-key, permit-action and permit-resource-type are needed')
      return ok({ query: {}, ...withoutNulls(allowed(environment.engine, { user: { key: user }, action, resource: { type, tenant } }, debug)) })
    }
  }),

  route({
    method: 'POST',
    path: '/kong',
    summary: "Decides a request of Kong's, as its OPA plugin sends it: the consumer, the method in small letters, and the path's first step as the resource type, in the tenant `default`.",
    body: KongQuery,
    answer: Type.Object({ result: Type.Boolean() }),
    handle ({ body: { input: { consumer, request: { http } } }, environment }) {
      const type = KONG_PATHS.map(typeOf => typeOf(http.path)).find(type => type !== undefined)
      if (type === undefined || consumer === null || consumer === undefined) return ok({ result: false })
      const query = { user: { key: consumer.username }, action: http.method.toLowerCase(), resource: { type, tenant: DEFAULT_TENANT } }
      return ok({ result: environment.engine.decide(query).allow })
    }
  }),

  route({
    method: 'GET',
    path: '/local/role_assignments',
    summary: 'Lists the role assignments that the PDP knows.',
    query: AssignmentsQuery,
    answer: Type.Array(Assignment),
    handle: async ({ query, environment, inTurns }) => ok(await inTurns(pageOf(wanted(environment.engine.facts, query), query, assignment => assignment)))
  })
]

interface Filter { user?: string | string[], role?: string | string[], tenant?: string | string[], resource?: string | string[], resource_instance?: string | string[] }

function * wanted (facts: FactsReader, query: Filter) {
  const [user, role, tenant, resource, on] = [query.user, query.role, query.tenant, query.resource, query.resource_instance].map(last)
  const filter = { ...(user === undefined ? {} : { user }), ...(role === undefined ? {} : { role }), ...(tenant === undefined ? {} : { tenant }) }
  for (const assignment of facts.roleAssignmentsNear(filter)) {
    const instance = assignment.resource_instance ?? `${TENANT_TYPE}:${assignment.tenant}`
    const isOfType = resource === undefined || instance.startsWith(`${resource}:`)
    // A tenant is no instance, though roles in one are of the type `__tenant`.
    const isOn = on === undefined || assignment.resource_instance === on
    yield !isOfType || !isOn || !isWanted(assignment, filter) ? undefined : { user: assignment.user, role: assignment.role, tenant: assignment.tenant, resource_instance: assignment.resource_instance ?? null }
  }
}

/** Of a name that is given twice the last counts. */
function last (given: string | string[] | undefined): string | undefined {
  return Array.isArray(given) ? given.at(-1) : given
}
