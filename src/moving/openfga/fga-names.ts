// The names of things in OpenFGA: one place for what a model, its tuples and the questions of the plugin must agree on.
import { createHash } from 'node:crypto'
import { ENCODED } from '../../pdp/authzen/wire-ids.js'

/** The type of users. */
export const USER = 'user'

/** The type of tenants. */
export const TENANT = 'tenant'

/** The relation of an object to its tenant. */
export const TENANT_OF = 'tenant/of'

/** Users with any role that was assigned on the object itself. */
export const ANY_ASSIGNED = 'assigned/*'

/** The most characters that OpenFGA accepts in the name of a relation, in an object, and in the user of a tuple. */
export const LONGEST = { relation: 50, object: 256, user: 512 } as const

/** Names that OpenFGA reserves. */
export const RESERVED: ReadonlySet<string> = new Set(['this', 'self'])

// No key of a policy has a slash or a dot: so none of these is an action of the type, and none is another one.

/** Users to whom the role was assigned in the tenant. */
export const memberRelation = (role: string): string => named(`member/${role}`)
/** Users who may do this on every resource of the type in the tenant. */
export const tenantPermission = (type: string, action: string): string => named(`${type}.${action}`)
/** Users to whom the role was assigned on the object. */
export const assignedRelation = (role: string): string => named(`assigned/${role}`)
/** Users who have the role on the object, assigned or derived. */
export const roleRelation = (role: string): string => named(`role/${role}`)
/** A relation of the policy. */
export const policyRelation = (relation: string): string => named(`relation/${relation}`)

/** A long name is cut, and a hash keeps it apart from others. */
function named (name: string): string {
  if (name.length <= LONGEST.relation) return name
  return `${name.slice(0, LONGEST.relation - 11)}~${createHash('sha256').update(name).digest('hex').slice(0, 10)}`
}

/** A user; undefined when the key has no id. */
export function userObject (key: string): string | undefined {
  return objectOf(USER, [key], LONGEST.user)
}

/** A tenant; undefined when the key has no id. */
export function tenantObject (key: string): string | undefined {
  return objectOf(TENANT, [key], LONGEST.object)
}

/** A resource; undefined when its key has no id. */
export function resourceObject (type: string, tenant: string, key: string): string | undefined {
  return objectOf(type, [tenant, key], LONGEST.object)
}

/** What stands for all resources of a type in a tenant; undefined when the tenant has no id. */
export function typeObject (type: string, tenant: string): string | undefined {
  const start = objectOf(type, [tenant], LONGEST.object - 2)
  return start === undefined ? undefined : `${start}/*`
}

function objectOf (type: string, keys: readonly string[], longest: number): string | undefined {
  // As the preset `openfga` of the option `authzen` writes ids.
  const ids = keys.map(key => ENCODED.write(key, type))
  const object = `${type}:${ids.join('/')}`
  return ids.includes(undefined) || object.length > longest ? undefined : object
}
