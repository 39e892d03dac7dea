// The entry for GraphQL: the directive `@permit` on fields and types, enforced in front of their resolvers, with any server.
import {
  defaultFieldResolver, GraphQLError, isObjectType, valueFromASTUntyped, type ConstDirectiveNode, type GraphQLField,
  type GraphQLFieldResolver, type GraphQLInterfaceType, type GraphQLObjectType, type GraphQLSchema
} from 'graphql'
import { refuseCall, type RequestPermit } from '../app/request-permit.js'
import { AnnotationError, ForbiddenError, UnauthenticatedError, UnavailableError, UndeclaredRouteError } from '../contract/errors.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'
import { describe, requireKnown } from '../decision/input-checks.js'
import { fillKey, hasBrace, parseKeyTemplate, type KeyTemplate } from '../guard/key-template.js'
import { splitAtColon } from '../kit/split-at-colon.js'

/** What resolvers need of the checks of a request: `request.permit`. */
export type AskingPermit = Pick<RequestPermit, 'assert'>

/** The options of {@link guardSchema}. */
export interface GuardSchemaOptions<Context> {
  /**
   * Returns the checks of the request from the context of a resolver.
   * @defaultValue the `permit` of `context.request`, `context.req` or `context.reply.request`
   */
  readonly permit?: (context: Context) => AskingPermit | undefined
  /**
   * Refuses a schema in which a field of Query, Mutation or Subscription has neither `@permit` nor `@public`.
   * @defaultValue `false`
   */
  readonly strict?: boolean
}

/**
 * The definitions of the directives, for the schema.
 * @example
 * ```ts
 * import { PERMIT_DIRECTIVES } from 'fastify-permit/graphql'
 *
 * export const typeDefs = `
 *   ${PERMIT_DIRECTIVES}
 *   type Query { tasks: [String!]! @permit(requires: "task:list") }
 *   type Mutation { updateTask(id: ID!): String @permit(requires: "task:update", resource: "task:{id}") }
 * `
 * ```
 */
export const PERMIT_DIRECTIVES = `
  directive @permit(requires: String!, resource: String) on OBJECT | INTERFACE | FIELD_DEFINITION
  directive @public on FIELD_DEFINITION
`

type Field = GraphQLField<unknown, unknown>
type Resolver = GraphQLFieldResolver<unknown, unknown>

/** What one directive requires. */
interface FieldRequirement {
  readonly type: string
  readonly action: string
  /** The key of the resource: constant, filled in from the arguments, or none. */
  readonly key: string | KeyTemplate | undefined
}

/**
 * Guards the fields of a schema that have `@permit`, and every field of a type that has it. Directives of an interface are for the types
 * that implement it. A denied field is an error with `extensions.code`, and its resolver does not run. Checks of one query that come
 * together are one request to the PDP.
 *
 * It changes the schema, and returns it. Resolvers that are set later are guarded, too.
 *
 * @throws `AnnotationError` when a directive is invalid, `UndeclaredRouteError` when a field says nothing and `strict` is set
 * @example
 * ```ts
 * import { buildSchema } from 'graphql'
 * import { guardSchema, PERMIT_DIRECTIVES } from 'fastify-permit/graphql'
 *
 * export const schema = guardSchema(buildSchema(`
 *   ${PERMIT_DIRECTIVES}
 *   type Query { tasks: [String!]! @permit(requires: "task:list") }
 * `), { strict: true })
 * ```
 */
export function guardSchema<Context = unknown> (schema: GraphQLSchema, options: GuardSchemaOptions<Context> = {}): GraphQLSchema {
  requireKnown('the options of guardSchema()', options, ['permit', 'strict'])
  const { permit = permitIn as (context: Context) => AskingPermit | undefined, strict = false } = options
  const roots = new Set([schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()])
  const silent: string[] = []
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    const ofType = [type, ...type.getInterfaces()].flatMap(directivesOfType)
    for (const field of Object.values(type.getFields()) as Field[]) {
      const name = `${type.name}.${field.name}`
      const inherited = type.getInterfaces().flatMap(parent => parent.getFields()[field.name]?.astNode?.directives ?? [])
      const own = [...field.astNode?.directives ?? [], ...inherited]
      const directives = [...ofType, ...own].filter(isNamed('permit'))
      if (directives.length === 0) {
        if (roots.has(type) && !own.some(isNamed('public'))) silent.push(name)
        continue
      }
      const requirements = directives.map(directive => requirementOf(directive, field, name))
      guardField(field, type === schema.getSubscriptionType(), requirements, permit as (context: unknown) => AskingPermit | undefined)
    }
  }
  if (strict && silent.length > 0) {
    const list = silent.map(name => `  ${name}`).join('\n')
    throw new UndeclaredRouteError(`strict: these fields have neither @permit nor @public:\n${list}\n` +
      'Add @permit(requires: "type:action"), or @public if the field is public on purpose.')
  }
  return schema
}

function isNamed (name: string): (directive: ConstDirectiveNode) => boolean {
  return directive => directive.name.value === name
}

function directivesOfType ({ astNode, extensionASTNodes }: GraphQLObjectType | GraphQLInterfaceType): ConstDirectiveNode[] {
  return [astNode, ...extensionASTNodes].flatMap(node => node?.directives ?? [])
}

function requirementOf ({ arguments: given = [] }: ConstDirectiveNode, field: Field, name: string): FieldRequirement {
  const values = Object.fromEntries(given.map(({ name, value }) => [name.value, valueFromASTUntyped(value)]))
  const { requires, resource } = values
  const [type, action, ...more] = typeof requires === 'string' ? requires.split(':') : []
  if (!type || !action || more.length > 0 || hasBrace(String(requires))) {
    throw new AnnotationError(`@permit of ${name}: requires is ${describe(requires)}; expected 'type:action', such as 'task:create'`)
  }
  if (resource === undefined || resource === null) return { type, action, key: undefined }
  const { before, after } = splitAtColon(String(resource))
  if (typeof resource !== 'string' || before !== type || after === undefined || after === '') {
    throw new AnnotationError(`@permit of ${name}: resource is ${describe(resource)}; expected '${type}:{argument}'`)
  }
  const template = parseKeyTemplate(after)
  const missing = template?.params.find(param => !field.args.some(({ name }) => name === param))
  if (missing !== undefined) {
    throw new AnnotationError(`@permit of ${name}: the resource names {${missing}}, which is no argument of the field`)
  }
  return { type, action, key: template ?? after }
}

/** Puts the guard before the resolver, even if it is set later, and before a subscription starts. */
function guardField (
  field: Field, isSubscription: boolean, requirements: readonly FieldRequirement[], permit: (context: unknown) => AskingPermit | undefined
): void {
  const guarded = (resolver: Resolver): Resolver => async function (this: unknown, source, args, context, info) {
    const asking = permit(context)
    if (asking === undefined || typeof asking.assert !== 'function') throw new AnnotationError(NO_PERMIT)
    try {
      await Promise.all(requirements.map(async requirement => assertMet(asking, requirement, args)))
    } catch (error) {
      throw forClients(error)
    }
    return resolver.call(this, source, args, context, info)
  }
  for (const property of isSubscription ? ['resolve', 'subscribe'] as const : ['resolve'] as const) {
    let resolver = guarded(field[property] ?? defaultFieldResolver)
    // A subscription without a function of its own has the root's field as its stream.
    Object.defineProperty(field, property, {
      configurable: true,
      enumerable: true,
      get: () => resolver,
      set (given: Resolver | undefined) { resolver = guarded(given ?? defaultFieldResolver) }
    })
  }
}

/** A refusal for clients. GraphQL Yoga hides every other error; mercurius answers with its status when there is no data. */
class Refusal extends GraphQLError {
  readonly statusCode: number | undefined

  constructor (error: Error & { readonly code: string, readonly statusCode?: number }) {
    super(error.message)
    this.statusCode = error.statusCode
    // The oldest versions of graphql 16 take it in another position.
    Object.defineProperty(this, 'extensions', { value: { code: error.code }, enumerable: true, configurable: true })
    Object.defineProperty(this, 'cause', { value: error, configurable: true, writable: true })
  }
}

function forClients (error: unknown): unknown {
  const isRefusal = error instanceof ForbiddenError || error instanceof UnauthenticatedError || error instanceof UnavailableError
  return isRefusal ? new Refusal(error) : error
}

async function assertMet (asking: AskingPermit, { type, action, key }: FieldRequirement, args: unknown): Promise<void> {
  const filled = typeof key === 'object' ? fillKey(key, args) : key
  if (typeof key === 'object' && filled === undefined) {
    const reason = 'an argument that the resource key needs is missing, empty, or makes the key ambiguous'
    throw await refuseCall(asking, { action, resource: type, code: 'incomplete_request', reason })
  }
  await asking.assert(action as ActionOf<ResourceType>, filled === undefined ? type : { type, key: filled })
}

const NO_PERMIT = 'fastify-permit/graphql: the context has no checks; put { request } into the context, or pass { permit: context => … }'

function permitIn (context: unknown): AskingPermit | undefined {
  type Carrier = { permit?: AskingPermit, request?: { permit?: AskingPermit } } | undefined
  const { request, req, reply } = (context ?? {}) as Record<string, Carrier>
  return request?.permit ?? req?.permit ?? reply?.request?.permit
}
