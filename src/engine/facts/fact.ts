// The types of facts (users, tenants, instances, assignments, tuples), of their changes and errors.
import { splitPair } from '../../kit/split-at-colon.js'
import { printableLine } from '../../kit/printable.js'

/** The tenant that always exists. */
export const DEFAULT_TENANT = 'default'

/** A user, as in Permit's API. */
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

/** A user's role in a tenant, or with `resource_instance` (`type:key`) on that instance. */
export interface RoleAssignmentFact {
  readonly user: string
  readonly role: string
  readonly tenant: string
  readonly resource_instance?: string
  /** When the assignment ends by itself, RFC 3339. */
  readonly expires_at?: string
}

/** A link between two instances of the same tenant: `subject` is `relation` of `object`, both `type:key`. */
export interface RelationshipTupleFact {
  readonly subject: string
  readonly relation: string
  readonly object: string
  readonly tenant: string
}

/** A fact to write, with an optional tenant. Default: `default`, or the tenant of the instances. */
export type TenantOptional<T extends { readonly tenant: string }> = Omit<T, 'tenant'> & { readonly tenant?: string }

/** One elementary change. A cascade is reported as separate deletions, before the deletion that caused them. */
export type FactChange = { readonly op: 'set' | 'delete' } & (
  | { readonly kind: 'user', readonly fact: UserFact, readonly before?: UserFact }
  | { readonly kind: 'tenant', readonly fact: TenantFact, readonly before?: TenantFact }
  | { readonly kind: 'resource_instance', readonly fact: ResourceInstanceFact, readonly before?: ResourceInstanceFact }
  | {
    readonly kind: 'role_assignment'
    readonly fact: RoleAssignmentFact
    readonly before?: undefined
    /** Whether the assignment has ended by itself. */
    readonly ended?: true
  }
  | { readonly kind: 'relationship_tuple', readonly fact: RelationshipTupleFact, readonly before?: undefined }
)

/** Why a fact cannot be written: it names something that does not exist, contradicts existing facts, or is malformed. */
export type FactsErrorCode = 'not_found' | 'conflict' | 'invalid'

/** The fact could not be written. Nothing has changed. */
export class FactsError extends Error {
  override readonly name = 'FactsError'
  readonly code: FactsErrorCode

  constructor (code: FactsErrorCode, message: string) {
    // The message contains keys from requests, and some loggers print it as it is.
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
