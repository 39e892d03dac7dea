// What can be known about users, tenants, instances, assignments and tuples: the shapes of facts and of their changes.
import { splitPair } from '../../kit/split-at-colon.js'
import { printableLine } from '../../kit/printable.js'

/** The tenant that always exists. */
export const DEFAULT_TENANT = 'default'

/** A user, as Permit's API writes one. */
export interface UserFact {
  readonly key: string
  readonly email?: string
  readonly first_name?: string
  readonly last_name?: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** A tenant. */
export interface TenantFact {
  readonly key: string
  readonly name?: string
  readonly description?: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** A resource instance. `resource` is its type; type and key together are unique. */
export interface ResourceInstanceFact {
  readonly resource: string
  readonly key: string
  readonly tenant: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** A role that a user has in a tenant, or with `resource_instance` (`type:key`) on that instance. */
export interface RoleAssignmentFact {
  readonly user: string
  readonly role: string
  readonly tenant: string
  readonly resource_instance?: string
}

/** A link between two instances of one tenant: `subject` is `relation` of `object`, both `type:key`. */
export interface RelationshipTupleFact {
  readonly subject: string
  readonly relation: string
  readonly object: string
  readonly tenant: string
}

/** The fact to write, where the tenant may be left out: `default`, or that of the instances named. */
export type TenantOptional<T extends { readonly tenant: string }> = Omit<T, 'tenant'> & { readonly tenant?: string }

/** One elementary change. What a deletion takes with it is reported as deletions of its own, before it. */
export type FactChange = { readonly op: 'set' | 'delete' } & (
  | { readonly kind: 'user', readonly fact: UserFact, readonly before?: UserFact }
  | { readonly kind: 'tenant', readonly fact: TenantFact, readonly before?: TenantFact }
  | { readonly kind: 'resource_instance', readonly fact: ResourceInstanceFact, readonly before?: ResourceInstanceFact }
  | { readonly kind: 'role_assignment', readonly fact: RoleAssignmentFact, readonly before?: undefined }
  | { readonly kind: 'relationship_tuple', readonly fact: RelationshipTupleFact, readonly before?: undefined }
)

/** Why a fact cannot be written: it names what is not there, contradicts what is there, or is malformed. */
export type FactsErrorCode = 'not_found' | 'conflict' | 'invalid'

/** A fact that cannot be written. Nothing was changed. */
export class FactsError extends Error {
  override readonly name = 'FactsError'
  readonly code: FactsErrorCode

  constructor (code: FactsErrorCode, message: string) {
    // Keys in it come from requests, and loggers print a message as it is.
    super(printableLine(message))
    this.code = code
  }
}

/**
 * Splits `type:key` at the first colon: a key may contain colons, a type may not.
 *
 * @throws {@link FactsError} `invalid` when a part is missing
 */
export function parseInstance (id: string): { resource: string, key: string } {
  const parts = typeof id === 'string' ? splitPair(id) : undefined
  if (parts === undefined) throw new FactsError('invalid', `'${String(id)}' is not a resource instance: write '<type>:<key>'`)
  return { resource: parts.before, key: parts.after }
}
