// Documents guarded routes in @fastify/swagger: the error responses, and the extensions that Permit's CLI reads.
import { createRequire } from 'node:module'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type * as Yaml from 'yaml'
import type { Description } from '../guard/description.js'
import { isRecord } from '../kit/is-record.js'

/** On the operation, Permit's extension for the action. */
const ACTION = 'x-permit-action'
/** Permit's extension for the resource type, on the path. Also on the operation, because Swagger UI does not show extensions of a path. */
const RESOURCE = 'x-permit-resource'
/** On an operation that requires more than one permission: all of them. Our own extension, because Permit's have room for one. */
const REQUIRES = 'x-permit-requires'
/** Marks an operation until the document is created. */
const GUARDED = 'x-permit-guarded'

type Json = Record<string, unknown>
type Swagger = (options?: { yaml?: boolean }) => unknown

/**
 * Marks a guarded route for the document, and ensures that the document is completed. The marks are extensions of the route's schema, which
 * @fastify/swagger copies and nothing else reads. (A `schema.response` would change the responses.)
 * @param scope - where the route is declared. Without @fastify/swagger in it, nothing is done
 * @param required - all of these are required, as far as they are known
 */
export function documentRoute (scope: FastifyInstance, route: RouteOptions, required: readonly Description[]): void {
  const owner = ownerOf(scope)
  if (owner === undefined) return
  complete(owner)
  const permissions = required.flatMap(({ permissions }) => permissions)
  // Operations of different methods share the marks, so none of them may be about one method.
  const isByMethod = required.some(({ isByMethod }) => isByMethod === true)
  const known = isByMethod ? undefined : permissions.find(({ type }) => type !== undefined)
  const own = (route.schema ?? {}) as Json
  const marks: Json = {
    [GUARDED]: true,
    ...known === undefined ? {} : { [RESOURCE]: known.type, [ACTION]: known.action },
    ...isByMethod || required.length > 1 || permissions.length > 1 ? { [REQUIRES]: required.map(({ text }) => text).join(' and ') } : {}
  }
  // A new object, because the app may share its schema with other routes.
  route.schema = Object.assign(Object.create(Object.getPrototypeOf(own)), marks, own) as NonNullable<RouteOptions['schema']>
}

/** The instance that @fastify/swagger has decorated: this scope, or one around it. */
function ownerOf (scope: FastifyInstance): { swagger: Swagger } | undefined {
  for (let owner: unknown = scope; typeof owner === 'object' && owner !== null; owner = Object.getPrototypeOf(owner)) {
    if (Object.hasOwn(owner, 'swagger') && typeof (owner as { swagger: unknown }).swagger === 'function') {
      return owner as { swagger: Swagger }
    }
  }
  return undefined
}

const completing = new WeakSet<Swagger>()

function complete (owner: { swagger: Swagger }): void {
  const make = owner.swagger
  if (completing.has(make)) return
  const swagger: Swagger = options => {
    const document = make({ ...options, yaml: false })
    if (isRecord(document) && isRecord(document.paths)) {
      for (const path of Object.values(document.paths)) if (isRecord(path)) completePath(path, typeof document.swagger === 'string')
    }
    return options?.yaml === true ? toYaml(document) : document
  }
  completing.add(swagger)
  owner.swagger = swagger
}

/** Formats the document like @fastify/swagger. Loaded on first use, and synchronously, because the caller does not await. */
function toYaml (document: unknown): string {
  const { stringify } = createRequire(import.meta.url)('yaml') as typeof Yaml
  return stringify(document, { strict: false })
}

/** Completes a path of the document, and removes the marks. @fastify/swagger creates the document once and always returns the same one. */
function completePath (path: Json, isVersion2: boolean): void {
  const operations = Object.values(path).filter(isRecord).filter(operation => operation[GUARDED] === true)
  const types = new Set(operations.flatMap(operation => operation[RESOURCE] === undefined ? [] : [operation[RESOURCE]]))
  const [type] = types
  // A path has one resource type, or none when its operations have different ones.
  if (types.size === 1) path[RESOURCE] ??= type
  for (const operation of operations) {
    delete operation[GUARDED]
    operation.responses = withRefusals(isRecord(operation.responses) ? operation.responses : {}, isVersion2)
  }
}

const REFUSALS = {
  401: 'Not authenticated.',
  403: 'Not allowed.',
  503: 'The permission cannot be checked right now.'
} as const

/** Adds the error responses. Responses that the app has documented stay. */
function withRefusals (documented: Json, isVersion2: boolean): Json {
  const responses = { ...documented }
  for (const [status, description] of Object.entries(REFUSALS)) {
    if (status in responses || `${status[0]}XX` in responses || `${status[0]}xx` in responses) continue
    responses[status] = isVersion2
    const withRetryAfter = (header: Json): Json => status === '503' ? { headers: { 'Retry-After': header } } : {}
    responses[status] = isVersion2
      ? { description, schema: errorSchema(), ...withRetryAfter({ description: RETRY_AFTER, type: 'integer' }) }
      : {
          description,
          ...withRetryAfter({ description: RETRY_AFTER, schema: { type: 'integer' } }),
          content: { 'application/json': { schema: errorSchema() } }
        }
  }
  return responses
}

const RETRY_AFTER = 'Seconds to wait before the next attempt.'

/** The body of an error in Fastify. */
function errorSchema (): Json {
  return {
    type: 'object',
    properties: { statusCode: { type: 'integer' }, code: { type: 'string' }, error: { type: 'string' }, message: { type: 'string' } },
    required: ['statusCode', 'error', 'message']
  }
}
