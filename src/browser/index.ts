// The entry for browsers: a route that lists the permissions of the requesting user, to show or hide parts of a page.
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { describe, requireKnown } from '../decision/input-checks.js'
import { OptionsError } from '../contract/errors.js'
import type { UserPermissions } from '../contract/point.js'
import type { CheckInput } from '../decision/checks.js'
import { isRecord } from '../kit/is-record.js'
import type { MaybePromise } from '../kit/maybe-promise.js'
import type { RequestPermit } from '../fastify/fastify-types.js'

/** The options of {@link permissionsRoute}. */
export interface PermissionsRouteOptions {
  /**
   * The path of the route.
   * @defaultValue `/permissions`
   */
  readonly path?: string
  /**
   * Returns the tenant whose permissions are listed. Checks have the tenant of the plugin's option `tenant`.
   * @defaultValue `default`
   */
  readonly tenant?: (request: FastifyRequest) => MaybePromise<string>
  /**
   * The name of the field of an object that holds its key, in CASL's rules.
   * @defaultValue `id`
   */
  readonly keyField?: string
  /**
   * The most checks in a request, and the most entries in an answer.
   * @defaultValue 100 checks, 1000 entries
   */
  readonly limits?: { readonly checks?: number, readonly entries?: number }
}

/** Permissions as the route lists them: `type:action` in the tenant, and by `type:key` on instances. */
export interface PermissionsList {
  readonly tenant: string
  readonly permissions: readonly string[]
  readonly resources: Readonly<Record<string, readonly string[]>>
}

/** A rule as `packRules` of `@casl/ability` writes it, for `unpackRules`. */
export type PackedRule = readonly [actions: string, subject: string] |
  readonly [actions: string, subject: string, conditions: Readonly<Record<string, string>>]

/** The largest body: 100 checks with attributes. */
const BODY_LIMIT = 256 * 1024

const OPTIONS = ['path', 'tenant', 'keyField', 'limits', 'prefix', 'logLevel', 'logSerializers']

/**
 * Declares a route that lists the permissions of the requesting user only:
 *
 * - `GET /permissions`: what roles allow the user, as a {@link PermissionsList}; `?format=casl`: as rules for `unpackRules` of CASL
 * - `GET /permissions?action=read&resource=task` and `POST /permissions` with `{ action, resource, resourceAttributes? }` or with
 *   `{ resourcesAndActions: [...] }`: the calls of Permit's `permit-fe-sdk`, `{ permitted }` and `{ permittedList }`
 *
 * Answers to GET have an `ETag`. The user and the user's attributes in a request are ignored. Errors are those of checks: 401, 503; 400 for
 * an invalid question, and 413 for too many.
 *
 * @throws `OptionsError` when an option is wrong, or `fastify-permit` is not registered
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 * import { permissionsRoute } from 'fastify-permit/browser'
 *
 * const app = Fastify()
 * await app.register(permit, { policy: './permit.yaml' })
 * await app.register(permissionsRoute, { path: '/permissions' })
 * ```
 */
export async function permissionsRoute (app: FastifyInstance, options: PermissionsRouteOptions): Promise<void> {
  requireKnown('the options of permissionsRoute', options, OPTIONS)
  const { path = '/permissions', tenant = () => 'default', keyField = 'id', limits = {} } = options
  if (!app.hasDecorator('permit')) throw new OptionsError('permissionsRoute is registered before fastify-permit; register it after')
  if (typeof path !== 'string' || !path.startsWith('/') || /[:*]/.test(path)) {
    throw new OptionsError(`permissionsRoute: option "path" is ${describe(path)}; expected a path without params, such as '/permissions'`)
  }
  const { checks: maxChecks = 100, entries: maxEntries = 1_000 } = limits
  for (const [name, limit] of Object.entries({ checks: maxChecks, entries: maxEntries })) {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > 100_000) {
      throw new OptionsError(`permissionsRoute: option "limits.${name}" is ${describe(limit)}; expected a whole number from 1 to 100000`)
    }
  }
  // Public for guards: each check finds out who the user is, and the answer is about this user only.
  const config = { permit: false } as const

  app.get(path, { config }, async (request, reply) => {
    const query = request.query as Record<string, unknown>
    if (query.action !== undefined || query.resource !== undefined) {
      const check = checkOf(query)
      if (check === undefined) return refuse(reply, 400, NO_CHECK)
      return answer(request, reply, { permitted: await permitOf(request).check(check.action as never, check.resource as never) })
    }
    const { format } = query
    if (format !== undefined && format !== 'casl') return refuse(reply, 400, "The format is unknown; expected 'casl', or none.")
    const where = await tenant(request)
    const list = listOf(await permitOf(request).permissions({ tenants: [where] }), where)
    if (Object.keys(list.resources).length > maxEntries) {
      return refuse(reply, 413, 'There are too many permissions to list; ask about single resources.')
    }
    return answer(request, reply, format === 'casl' ? rulesOf(list, keyField) : list)
  })

  app.post(path, { config, bodyLimit: BODY_LIMIT }, async (request, reply) => {
    const { body } = request
    reply.header('cache-control', 'no-store')
    if (isRecord(body) && 'resourcesAndActions' in body) {
      const asked = body.resourcesAndActions
      if (!Array.isArray(asked)) return refuse(reply, 400, NO_CHECK)
      if (asked.length > maxChecks) return refuse(reply, 413, `There are more than ${maxChecks} checks.`)
      const list = asked.map(checkOf)
      if (list.includes(undefined)) return refuse(reply, 400, NO_CHECK)
      return { permittedList: list.length === 0 ? [] : await permitOf(request).bulkCheck(list as CheckInput[]) }
    }
    const check = checkOf(body)
    if (check === undefined) return refuse(reply, 400, NO_CHECK)
    return { permitted: await permitOf(request).check(check.action as never, check.resource as never) }
  })
}

const NO_CHECK = "Expected { action, resource: 'type' or 'type:key', resourceAttributes? }, or { resourcesAndActions: [ … ] } with such."

function permitOf (request: FastifyRequest): RequestPermit {
  return request.permit as RequestPermit
}

/**
 * The check in a query or a body. The user in it is ignored, and so are attributes of the user, which decide in a policy: they come from
 * the app. A tenant is ignored, too.
 */
function checkOf (asked: unknown): CheckInput | undefined {
  if (!isRecord(asked)) return undefined
  const { action, resource, resourceAttributes } = asked
  const name = isRecord(resource) && typeof resource.type === 'string' && typeof resource.key === 'string'
    ? `${resource.type}:${resource.key}`
    : resource
  if (typeof action !== 'string' || action === '' || typeof name !== 'string' || name === '') return undefined
  if (resourceAttributes === undefined || resourceAttributes === null) return { action, resource: name } as CheckInput
  if (!isRecord(resourceAttributes)) return undefined
  const colon = name.indexOf(':')
  const target = colon === -1 ? { type: name } : { type: name.slice(0, colon), key: name.slice(colon + 1) }
  const attributes = Object.keys(resourceAttributes).length === 0 ? {} : { attributes: resourceAttributes }
  return { action, resource: { ...target, ...attributes } } as CheckInput
}

function listOf (permissions: UserPermissions, tenant: string): PermissionsList {
  const resources: Record<string, readonly string[]> = {}
  for (const [name, { permissions: allowed, tenant: of, resource }] of Object.entries(permissions)) {
    if (name.startsWith('__tenant:') || resource === undefined || (of !== undefined && of.key !== tenant)) continue
    Object.defineProperty(resources, name, { value: [...allowed].sort(), enumerable: true })
  }
  return { tenant, permissions: [...permissions[`__tenant:${tenant}`]?.permissions ?? []].sort(), resources }
}

/** CASL reads the action `manage` as every action, and the subject `all` as every type: such rules would allow more than the permission. */
function isLiteral (permission: string): boolean {
  return !permission.startsWith('all:') && !permission.endsWith(':manage')
}

function rulesOf ({ permissions, resources }: PermissionsList, keyField: string): PackedRule[] {
  const rules: PackedRule[] = [...actionsByType(permissions.filter(isLiteral))].map(([type, actions]) => [actions.join(','), type] as const)
  for (const [name, allowed] of Object.entries(resources)) {
    const colon = name.indexOf(':')
    const type = name.slice(0, colon)
    const actions = actionsByType(allowed.filter(isLiteral)).get(type)
    if (actions !== undefined) rules.push([actions.join(','), type, { [keyField]: name.slice(colon + 1) }])
  }
  return rules
}

function actionsByType (permissions: readonly string[]): Map<string, string[]> {
  const byType = new Map<string, string[]>()
  for (const permission of permissions) {
    const colon = permission.indexOf(':')
    const type = permission.slice(0, colon)
    byType.set(type, [...byType.get(type) ?? [], permission.slice(colon + 1)])
  }
  return byType
}

/** Answers with an `ETag` of the content. The browser caches the answer for its user and revalidates it each time. */
function answer (request: FastifyRequest, reply: FastifyReply, content: object): FastifyReply {
  const text = JSON.stringify(content)
  const tag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"`
  reply.header('etag', tag).header('cache-control', 'private, no-cache').header('vary', 'authorization, cookie')
  const known = request.headers['if-none-match']?.split(',').map(one => one.trim().replace(/^W\//, ''))
  if (known?.includes(tag) === true) return reply.code(304).send()
  return reply.type('application/json; charset=utf-8').send(text)
}

function refuse (reply: FastifyReply, status: 400 | 413, message: string): FastifyReply {
  return reply.code(status).send({ statusCode: status, error: status === 400 ? 'Bad Request' : 'Payload Too Large', message })
}
