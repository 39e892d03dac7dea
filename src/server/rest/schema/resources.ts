// The routes of resources and their parts: actions, attributes, relations and roles.
import Type, { type Static, type TObject, type TSchema } from 'typebox'
import { conflict, invalid } from '../../http/error-responses.js'
import { CountedPageQuery, listed, MaybeCountedList, pageOf, PageQuery } from '../paging.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { changeSchema, type Draft } from './schema-change.js'
import {
  ActionCreate, ActionGroupCreate, ActionGroupRead, ActionGroupUpdate, ActionRead, ActionUpdate, AttributeCreate, AttributeRead,
  AttributeUpdate, RelationCreate, RelationRead, ResourceCreate, ResourceRead, ResourceReplace, ResourceRoleCreate, ResourceRoleRead,
  ResourceRoleUpdate, ResourceUpdate
} from './schema-shapes.js'
import { builtIn, isBuiltIn } from './built-in.js'
import { SchemaView, type PartName } from './schema-view.js'
import type { PolicyResource } from '../../../engine/policy/policy.js'

/** A resource of a draft. The caller has checked that it exists. */
export function resourceOf (draft: Draft, key: string): PolicyResource {
  return draft.resources[key]!
}

/**
 * Adds a block under a new key.
 *
 * @throws 409 when the key exists
 */
export function addBlock<T> (record: Record<string, T>, key: string, block: T, what: string): void {
  if (Object.hasOwn(record, key)) throw conflict(what)
  // Assigning this key would set the prototype of the record.
  if (key === '__proto__') throw invalid(`${what}: this key cannot be used`)
  record[key] = block
}

const resources: readonly Route[] = [
  route({
    method: 'GET',
    path: '/resources',
    summary: 'Lists the resources.',
    query: Type.Object({
      ...CountedPageQuery,
      include_built_in: Type.Optional(Type.Boolean({ description: 'Whether to include `__user` and `__tenant`.' }))
    }),
    answer: MaybeCountedList(ResourceRead),
    async handle ({ query, environment, inTimeSlices }) {
      const view = new SchemaView(environment)
      return ok(await inTimeSlices(listed(view.resourceKeys(query.include_built_in), query, key => view.resource(key))))
    }
  }),

  route({
    method: 'POST',
    path: '/resources',
    summary: 'Creates a resource, with its actions, attributes, roles and relations.',
    body: ResourceCreate,
    answer: ResourceRead,
    async handle ({ body: { key, ...resource }, environment }) {
      await changeSchema(environment, draft => addBlock(draft.resources, key, resource, `resource '${key}'`))
      return ok(new SchemaView(environment).resource(key))
    }
  }),

  route({
    method: 'GET',
    path: '/resources/:resource',
    summary: 'Reads a resource.',
    answer: ResourceRead,
    handle ({ params, environment }) {
      const view = new SchemaView(environment)
      return ok(view.resource(view.resourceOrBuiltInKey(params.resource)))
    }
  }),

  route({
    method: 'PUT',
    path: '/resources/:resource',
    summary: 'Replaces a resource, including its parts.',
    body: ResourceReplace,
    answer: ResourceRead,
    async handle ({ params, body, environment }) {
      const key = new SchemaView(environment).resourceKey(params.resource)
      await changeSchema(environment, draft => {
        // Permit's body has no groups: those of actions that stay do stay.
        const { action_groups: groups } = resourceOf(draft, key)
        draft.resources[key] = { ...body, ...(groups === undefined ? {} : { action_groups: groups }) }
      })
      return ok(new SchemaView(environment).resource(key))
    }
  }),

  route({
    method: 'PATCH',
    path: '/resources/:resource',
    summary: 'Changes a resource. Fields that are not given stay as they are.',
    body: ResourceUpdate,
    answer: ResourceRead,
    async handle ({ params, body, environment }) {
      const key = new SchemaView(environment).resourceKey(params.resource)
      await changeSchema(environment, draft => Object.assign(resourceOf(draft, key), body))
      return ok(new SchemaView(environment).resource(key))
    }
  }),

  route({
    method: 'DELETE',
    path: '/resources/:resource',
    summary: 'Deletes a resource, with its instances and everything that refers to it.',
    async handle ({ params, environment }) {
      const key = new SchemaView(environment).resourceKey(params.resource)
      await changeSchema(environment, draft => { delete draft.resources[key] })
      return done()
    }
  })
]

/** The description of one kind of parts. */
interface Part<Read extends TSchema> {
  readonly name: PartName
  /** The kind in messages, with its article. */
  readonly one: string
  readonly read: Read
  readonly create: TObject
  /** The schema for PATCH; kinds without it have no such route. */
  readonly update?: TObject
  show (view: SchemaView, resource: string, key: string): Static<Read>
  /** One resource with a path of its own, for all routes of these parts. */
  readonly of?: { readonly path: string, readonly resource: string }
  /** Converts the body to the block in the policy, with keys instead of ids. */
  block? (body: Record<string, unknown>, view: SchemaView): Record<string, unknown>
}

function partRoutes<Read extends TSchema> (
  { name, one, read, create, update, show, block = body => body, of }: Part<Read>
): Route[] {
  const list = of === undefined ? `/resources/:resource/${name}` : `${of.path}/${name}`
  const item = `${list}/:part`
  const paramOf = (params: unknown, param: 'resource' | 'part'): string => (params as Record<string, string>)[param] ?? ''
  const resourceIn = (view: SchemaView, params: unknown): string => of?.resource ?? view.resourceOrBuiltInKey(paramOf(params, 'resource'))
  const routes = [
    route({
      method: 'GET',
      path: list,
      summary: `Lists the ${name} of a resource.`,
      query: Type.Object(PageQuery),
      answer: Type.Array(read),
      async handle ({ params, query, environment, inTimeSlices }) {
        const view = new SchemaView(environment)
        const resource = resourceIn(view, params)
        return ok(await inTimeSlices(pageOf(view.partKeys(resource, name), query, key => show(view, resource, key))))
      }
    }),

    route({
      method: 'POST',
      path: list,
      summary: `Creates ${one} of a resource.`,
      body: create,
      answer: read,
      async handle ({ params, body, environment }) {
        const view = new SchemaView(environment)
        const resource = resourceIn(view, params)
        const { key, ...rest } = body as Record<string, unknown> & { key: string }
        const added = block(rest, view)
        if (isGiven(resource, key)) throw conflict(`attribute '${key}' of resource '${resource}'`)
        const what = `${one.replace(/^an? /, '')} '${key}' of resource '${resource}'`
        await changeSchema(environment, draft => addBlock(partsOf(draft, resource, name), key, added, what))
        return ok(show(new SchemaView(environment), resource, key))
      }
    }),

    route({
      method: 'GET',
      path: item,
      summary: `Reads ${one} of a resource.`,
      answer: read,
      handle ({ params, environment }) {
        const view = new SchemaView(environment)
        const resource = resourceIn(view, params)
        return ok(show(view, resource, view.partKey(resource, name, paramOf(params, 'part'))))
      }
    }),

    route({
      method: 'DELETE',
      path: item,
      summary: `Deletes ${one} of a resource, and everything that refers to it.`,
      async handle ({ params, environment }) {
        const view = new SchemaView(environment)
        const resource = resourceIn(view, params)
        const key = view.partKey(resource, name, paramOf(params, 'part'))
        requireChangeable(resource, key)
        await changeSchema(environment, draft => { delete partsOf(draft, resource, name)[key] })
        return done()
      }
    })
  ]
  if (update === undefined) return routes
  return [...routes, route({
    method: 'PATCH',
    path: item,
    summary: `Changes ${one} of a resource. Fields that are not given stay as they are.`,
    body: update,
    answer: read,
    async handle ({ params, body, environment }) {
      const view = new SchemaView(environment)
      const resource = resourceIn(view, params)
      const key = view.partKey(resource, name, paramOf(params, 'part'))
      requireChangeable(resource, key)
      const changes = block(body as Record<string, unknown>, view)
      await changeSchema(environment, draft => {
        const parts = partsOf(draft, resource, name)
        parts[key] = { ...parts[key] as object, ...changes }
      })
      return ok(show(new SchemaView(environment), resource, key))
    }
  })]
}

/** Whether it is an attribute that each user or tenant has. */
function isGiven (resource: string, key: string): boolean {
  return isBuiltIn(resource) && Object.hasOwn(builtIn(resource).attributes, key)
}

function requireChangeable (resource: string, key: string): void {
  if (isGiven(resource, key)) throw invalid(`attribute '${key}' of resource '${resource}' is built in and cannot be changed`)
}

/** The parts that a change may touch. */
function partsOf (draft: Draft, resource: string, name: PartName): Record<string, unknown> {
  if (isBuiltIn(resource)) {
    if (name !== 'attributes') throw invalid(`resource '${resource}' is built in: only its attributes can be changed`)
    const { section } = builtIn(resource)
    draft[section] ??= {}
    return draft[section]
  }
  const block = resourceOf(draft, resource)
  block[name] ??= {}
  return block[name]
}

const attributes: Part<typeof AttributeRead> = {
  name: 'attributes',
  one: 'an attribute',
  read: AttributeRead,
  create: AttributeCreate,
  update: AttributeUpdate,
  show: (view, resource, key) => view.attribute(resource, key)
}

/** The routes of resources and their parts, under `/v2/schema/{project}/{environment}`. */
export const resourceRoutes: readonly Route[] = [
  ...resources,
  ...partRoutes({
    name: 'actions',
    one: 'an action',
    read: ActionRead,
    create: ActionCreate,
    update: ActionUpdate,
    show: (view, resource, key) => view.action(resource, key)
  }),
  ...partRoutes(attributes),
  // Permit has a path of its own for the attributes of users.
  ...partRoutes({ ...attributes, of: { path: '/users', resource: '__user' } }),
  ...partRoutes({
    name: 'action_groups',
    one: 'an action group',
    read: ActionGroupRead,
    create: ActionGroupCreate,
    update: ActionGroupUpdate,
    show: (view, resource, key) => view.actionGroup(resource, key)
  }),
  ...partRoutes({
    name: 'relations',
    one: 'a relation',
    read: RelationRead,
    create: RelationCreate,
    show: (view, resource, key) => view.relation(resource, key),
    block: (body, view) => ({ ...body, subject_resource: view.resourceKey(body['subject_resource'] as string) })
  }),
  ...partRoutes({
    name: 'roles',
    one: 'a role',
    read: ResourceRoleRead,
    create: ResourceRoleCreate,
    update: ResourceRoleUpdate,
    show: (view, resource, key) => view.resourceRole(resource, key)
  })
]
