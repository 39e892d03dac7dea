// The permissions of a user on named resources: one search for actions for each.
import { setMaxListeners } from 'node:events'
import { QueryError, SearchError, UnsupportedError } from '../../contract/errors.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { splitAtColon } from '../../kit/split-at-colon.js'
import type { FreeSlots, PermissionsQuestion, QueryResource, SearchAsking, SearchQuestion, UserPermissions } from '../../contract/point.js'

/** The most resources of one question. */
const MAX_RESOURCES = 100

/** The most actions on one resource. */
const MAX_ACTIONS = 1_000

/** The type of tenants in the lists of Permit's PDP. */
const TENANT_TYPE = '__tenant'

export interface PermissionsAsking {
  /** The URL of the PDP, for errors. */
  readonly name: string
  readonly slots: Pick<FreeSlots, 'free'>
  readonly hasTenants: boolean
  search (question: SearchQuestion, asking: SearchAsking): AsyncIterable<readonly string[]>
}

/**
 * Asks for each named resource which actions are allowed on it. All searches have the same deadline. The first one that fails is the
 * error of the whole question, because a list without its actions would look like a denial.
 */
export async function namedPermissions (
  asking: PermissionsAsking, question: PermissionsQuestion, deadline: number
): Promise<UserPermissions> {
  const resources = resourcesOf(question, asking)
  const allowed = new Map<string, readonly string[]>()
  const stop = new AbortController()
  // Each search in flight listens.
  setMaxListeners(MAX_RESOURCES, stop.signal)
  let next = 0
  const ask = async (): Promise<void> => {
    for (let resource = resources[next++]; resource !== undefined; resource = resources[next++]) {
      allowed.set(`${resource.type}:${resource.key}`, await actionsOn(resource, asking, question, deadline, stop.signal))
    }
  }
  try {
    // Only as many searches as there are free connections: waiting searches would get a connection before other callers' checks.
    await Promise.all(Array.from({ length: Math.min(resources.length, Math.max(1, asking.slots.free)) }, ask))
  } catch (error) {
    next = resources.length
    stop.abort()
    if (!(error instanceof UnsupportedError)) throw error
    throw new UnsupportedError(`permissions() searches for the actions on each resource, and ${error.message}`)
  }
  return Object.fromEntries(resources.flatMap(({ type, key = '', tenant }) => {
    const id = `${type}:${key}`
    const permissions = (allowed.get(id) ?? []).map(action => `${type}:${action}`)
    return permissions.length === 0 ? [] : [[id, { tenant: { key: tenant }, resource: { type, key }, permissions }]]
  }))
}

async function actionsOn (
  resource: QueryResource, { name, search }: PermissionsAsking, { user, context }: PermissionsQuestion, deadline: number,
  signal: AbortSignal
): Promise<readonly string[]> {
  const actions = new Set<string>()
  const asking = { deadline: () => deadline, limit: MAX_ACTIONS + 1, signal }
  for await (const page of search({ find: 'actions', user, resource, context }, asking)) {
    for (const action of page) actions.add(action)
    if (actions.size > MAX_ACTIONS) throw new SearchError(`the search of ${name} finds more than ${MAX_ACTIONS} actions on one resource`)
  }
  return [...actions].sort()
}

/** The named resources, each once. */
function resourcesOf (
  { resources = [], resourceTypes, tenants }: PermissionsQuestion, { hasTenants }: PermissionsAsking
): QueryResource[] {
  if (resources.length === 0) {
    throw unsupported("cannot list every resource of a user. Name the resources, such as { resources: ['task:7', 'task:8'] }, or use " +
      'searchResources() for one action')
  }
  if (resources.length > MAX_RESOURCES) {
    throw new QueryError(`the option "resources" names ${resources.length} resources; with an AuthZEN PDP, permissions() searches for ` +
      `the actions on each, and takes at most ${MAX_RESOURCES}. Name fewer, or use bulkCheck()`)
  }
  if (resourceTypes?.includes(TENANT_TYPE) === true) throw ofTenants()
  const [tenant, ...others] = tenants ?? (hasTenants ? [] : [DEFAULT_TENANT])
  // A resource has one entry in the result, with one tenant.
  if (tenant === undefined || others.length > 0) {
    throw unsupported("needs one tenant, because the PDP does not tell which one a resource has. Name it, such as { tenants: ['acme'] }")
  }
  const named = new Map<string, QueryResource>()
  for (const id of resources) {
    const { before: type, after: key } = splitAtColon(id)
    if (type === TENANT_TYPE) throw ofTenants()
    if (type === '' || key === undefined || key === '') {
      throw unsupported(`needs the type and the key of each resource, and ${JSON.stringify(id)} has not both. Name it as 'type:key'`)
    }
    if (resourceTypes?.includes(type) !== false) named.set(id, { type, key, tenant })
  }
  return [...named.values()]
}

function ofTenants (): Error {
  return unsupported("has no permissions in whole tenants. Name resources, such as { resources: ['task:7'] }, or use searchActions() " +
    'for a type')
}

function unsupported (what: string): Error {
  return new UnsupportedError(`permissions() over an AuthZEN PDP ${what}`)
}
