// Routes for gateways, which cannot run an SDK: NGINX asks with headers, Kong with its OPA plugin. Also a list of all role assignments.
import Type, { type Static } from 'typebox'
import { allowed } from './decisions.js'
import { invalid } from '../http/error-responses.js'
import { ok, route, type Route } from '../http/route.js'
import { isWanted, pageOf, PageQuery } from '../rest/paging.js'
import { Allowed } from './wire.js'
import { withoutNulls } from './answer-without-nulls.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import type { FactsReader } from '../../environment/environment.js'

const Texts = Type.Record(Type.String(), Type.String())
const anything = Type.Optional(Type.Unknown())

/** The input that Kong's OPA plugin sends. */
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

/** Maps a path to a resource type, as the container does: the first segment, after a version segment if there is one. */
const KONG_PATHS: ReadonlyArray<(path: string) => string | undefined> = [
  path => /^\/v\d+\/([^/]+)/.exec(path)?.[1],
  path => /^\/([^/]+)/.exec(path)?.[1],
  path => path.startsWith('/') ? 'index' : undefined
]

const Assignment = Type.Object({
  user: Type.String(),
  role: Type.String(),
  tenant: Type.String(),
  resource_instance: Type.Union([Type.String(), Type.Null()])
})

const filter = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())]))
const AssignmentsQuery = Type.Object({
  user: filter,
  role: filter,
  tenant: filter,
  resource: filter,
  resource_instance: filter,
  ...PageQuery
})

/** The resource type of roles in tenants. */
const TENANT_TYPE = '__tenant'

/** The routes of the older half of the container that SDKs do not use. */
export const gatewayRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/nginx_allowed',
    summary: 'Decides one question from the headers permit-user-key, permit-tenant-id, permit-action and permit-resource-type. ' +
      'The decision is in the body; a deny is also a 200.',
    answer: Allowed,
    handle ({ request: { headers }, decider, debug }) {
      const header = (name: string): string | undefined => [headers[name]].flat()[0]
      const [user, action, type] = [header('permit-user-key'), header('permit-action'), header('permit-resource-type')]
      if (user === undefined || action === undefined || type === undefined) {
        throw invalid('the headers permit-user-key, permit-action and permit-resource-type are required')
      }
      const query = { user: { key: user }, action, resource: { type, tenant: header('permit-tenant-id') ?? DEFAULT_TENANT } }
      return ok({ query: {}, ...withoutNulls(allowed(decider, query, debug)) })
    }
  }),

  route({
    method: 'POST',
    path: '/kong',
    summary: "Decides on a request to Kong, sent by Kong's OPA plugin. The user is the consumer, the action is the method in lower case, " +
      'the resource type is the first segment of the path, and the tenant is `default`.',
    body: KongQuery,
    answer: Type.Object({ result: Type.Boolean() }),
    handle ({ body: { input: { consumer, request: { http } } }, decider }) {
      const type = KONG_PATHS.map(typeOf => typeOf(http.path)).find(type => type !== undefined)
      if (type === undefined || consumer === null || consumer === undefined) return ok({ result: false })
      const query = { user: { key: consumer.username }, action: http.method.toLowerCase(), resource: { type, tenant: DEFAULT_TENANT } }
      return ok({ result: decider.decide(query).allow })
    }
  }),

  route({
    method: 'GET',
    path: '/local/role_assignments',
    summary: 'Lists the role assignments of the PDP.',
    query: AssignmentsQuery,
    answer: Type.Array(Assignment),
    async handle ({ query, environment, inTimeSlices }) {
      return ok(await inTimeSlices(pageOf(wanted(environment.engine.facts, query), query, assignment => assignment)))
    }
  })
]

type Filter = Omit<Static<typeof AssignmentsQuery>, 'page' | 'per_page'>

function * wanted (facts: FactsReader, query: Filter) {
  const [user, role, tenant, resource, on] = [query.user, query.role, query.tenant, query.resource, query.resource_instance].map(last)
  const filter = {
    ...(user === undefined ? {} : { user }),
    ...(role === undefined ? {} : { role }),
    ...(tenant === undefined ? {} : { tenant })
  }
  for (const assignment of facts.roleAssignmentsNear(filter)) {
    const instance = assignment.resource_instance ?? `${TENANT_TYPE}:${assignment.tenant}`
    const isOfType = resource === undefined || instance.startsWith(`${resource}:`)
    // A tenant is not an instance, although roles in a tenant have the type `__tenant`.
    const isOn = on === undefined || assignment.resource_instance === on
    if (isOfType && isOn && isWanted(assignment, filter)) {
      const { user, role, tenant, resource_instance: on = null } = assignment
      yield { user, role, tenant, resource_instance: on }
    } else {
      yield undefined
    }
  }
}

/** The last value of a name that is given twice. */
function last (given: string | string[] | undefined): string | undefined {
  return Array.isArray(given) ? given.at(-1) : given
}
