// `app.permit.api`: the mutations, named as in Permit's SDKs.
import type {
  AttributesOf, InstanceText, RelationOf, ResourceRoleOf, ResourceType, RoleName, TenantAttributes, UserAttributes
} from '../../contract/vocabulary.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { MutationError } from '../../contract/errors.js'
import type { FactMutation } from '../../pdp/mutation-kinds.js'
import { readInput, readInstance, readKey } from './mutation-input.js'
import { assignmentInput, instanceInput, tenantInput, tupleInput, userInput } from './mutation-input-schema.js'
import { Mutation } from './mutation.js'
import type { Writer } from './writer.js'

/** A user to create or update. Names may be in camel case or snake case. */
export interface SyncUserInput {
  readonly key: string
  readonly email?: string
  readonly firstName?: string
  readonly first_name?: string
  readonly lastName?: string
  readonly last_name?: string
  /** Must be serializable as JSON. */
  readonly attributes?: UserAttributes
  /** The initial roles of a new user, each in a tenant; default: the tenant `default`. */
  readonly roles?: ReadonlyArray<{ readonly role: RoleName, readonly tenant?: string }>
}

/** A tenant to create. */
export interface TenantInput {
  readonly key: string
  readonly name?: string
  readonly description?: string
  readonly attributes?: TenantAttributes
}

/** A user's role in a tenant, or with an instance (`type:key`) on that instance. */
export interface AssignmentInput {
  readonly user: string
  readonly role: RoleName | ResourceRoleOf<ResourceType>
  /** Default: `default`, or with an instance the instance's tenant. */
  readonly tenant?: string
  readonly resourceInstance?: InstanceText<ResourceType>
  readonly resource_instance?: InstanceText<ResourceType>
  /** When the role ends, RFC 3339 with a zone; for `assignRole`, with the embedded PDP. Default: never. */
  readonly expiresAt?: string
  readonly expires_at?: string
}

/** A resource instance to create. */
export type ResourceInstanceInput = { [T in ResourceType]: InstanceOf<T> }[ResourceType]

/** A resource instance of type `T`. */
interface InstanceOf<T extends ResourceType> {
  /** The resource type. */
  readonly resource: T
  readonly key: string
  /** Default: `default`. */
  readonly tenant?: string
  readonly attributes?: AttributesOf<T>
}

/** A resource instance: `type:key`, or an object with both parts. */
export type InstanceName<T extends ResourceType = ResourceType> = InstanceText<T> | { readonly resource: T, readonly key: string }

/** `subject` is `relation` of `object`: `folder:rnd` is `parent` of `document:spec`. */
export interface TupleInput<T extends ResourceType = ResourceType> {
  /** `type:key`. */
  readonly subject: InstanceText<ResourceType>
  readonly relation: RelationOf<T>
  /** `type:key`. */
  readonly object: InstanceText<T>
  /** Default: the tenant of the instances. */
  readonly tenant?: string
}

/**
 * Creates mutations. A mutation is applied when it is passed to `app.permit.write`, or awaited.
 *
 * Mutations are idempotent: when the requested state exists already (the tenant exists, the user has the role, the user is deleted),
 * nothing changes and the result is `unchanged`. So a write that failed half-way can be repeated.
 *
 * Each method throws a `MutationError` at once for invalid arguments. A mutation that fails later rejects with a `WriteError`.
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 *
 * const app = Fastify()
 * await app.register(permit, { policy: './permit.yaml' })
 * const { api } = app.permit
 * await app.permit.write(
 *   api.syncUser({ key: 'ann', email: 'ann@example.com' }),
 *   api.assignRole('ann', 'editor', 'acme')
 * )
 * ```
 */
export class WriteApi {
  readonly #writer: Writer

  constructor (writer: Writer) {
    this.#writer = writer
  }

  /**
   * Creates the user with the initial roles, or replaces the attributes of an existing user, whose roles do not change.
   *
   * Over HTTP, the roles of a new user are assigned one by one. If one fails, the error's `partly` lists the roles that the user has.
   */
  syncUser (user: SyncUserInput): Mutation {
    const { roles = [], ...fact } = readInput('syncUser', userInput, user)
    return this.#mutation({ kind: 'syncUser', user: fact, roles: roles.map(({ role, tenant = DEFAULT_TENANT }) => ({ role, tenant })) })
  }

  /** Deletes the user and all roles of the user. */
  deleteUser (user: string): Mutation {
    return this.#mutation({ kind: 'deleteUser', user: readKey('deleteUser', 'the user', user) })
  }

  /** Creates a tenant. An existing tenant does not change, including its name and attributes. */
  createTenant (tenant: TenantInput): Mutation {
    return this.#mutation({ kind: 'createTenant', tenant: readInput('createTenant', tenantInput, tenant) })
  }

  /** Deletes the tenant, with the roles in it and its resource instances. The tenant `default` cannot be deleted. */
  deleteTenant (tenant: string): Mutation {
    return this.#mutation({ kind: 'deleteTenant', tenant: readKey('deleteTenant', 'the tenant', tenant) })
  }

  /** Assigns a role in a tenant to a user. */
  assignRole (user: string, role: RoleName, tenant?: string): Mutation
  /**
   * Assigns a role in a tenant, or on a resource instance, to a user. With `expiresAt` the role ends at that time: only with the
   * embedded PDP, because Permit has no such assignments. A role that the user has already gets the end that is given, or none.
   *
   * @example
   * ```ts
   * import type { FastifyInstance } from 'fastify'
   *
   * export async function lend (app: FastifyInstance): Promise<void> {
   *   await app.permit.api.assignRole({ user: 'ann', role: 'editor', tenant: 'acme', expiresAt: '2027-01-31T18:00:00Z' })
   * }
   * ```
   */
  assignRole (assignment: AssignmentInput): Mutation
  assignRole (user: string | AssignmentInput, role?: string, tenant?: string): Mutation {
    return this.#assignment('assignRole', oneForm('assignRole', user, role, tenant))
  }

  /** Removes a role in a tenant from a user. */
  unassignRole (user: string, role: RoleName, tenant?: string): Mutation
  /** Removes a role in a tenant, or on a resource instance, from a user. */
  unassignRole (assignment: AssignmentInput): Mutation
  unassignRole (user: string | AssignmentInput, role?: string, tenant?: string): Mutation {
    return this.#assignment('unassignRole', oneForm('unassignRole', user, role, tenant))
  }

  /** Assigns one of the resource type's roles on an instance to a user. A missing instance is created. */
  assignResourceRole<T extends ResourceType> (user: string, role: ResourceRoleOf<T>, instance: InstanceName<T>): Mutation {
    return this.#assignment('assignRole', { user, role, resource_instance: readInstance('assignResourceRole', instance) })
  }

  /** Removes a role on an instance from a user. */
  unassignResourceRole<T extends ResourceType> (user: string, role: ResourceRoleOf<T>, instance: InstanceName<T>): Mutation {
    return this.#assignment('unassignRole', { user, role, resource_instance: readInstance('unassignResourceRole', instance) })
  }

  /** Creates a resource instance. An existing one in the same tenant does not change; one in another tenant is an error. */
  createResourceInstance (instance: ResourceInstanceInput): Mutation {
    const { tenant = DEFAULT_TENANT, ...fact } = readInput('createResourceInstance', instanceInput, instance)
    return this.#mutation({ kind: 'createResourceInstance', instance: { ...fact, tenant } })
  }

  /** Deletes a resource instance, with the roles on it and its relationship tuples. */
  deleteResourceInstance (instance: InstanceName): Mutation {
    return this.#mutation({ kind: 'deleteResourceInstance', instance: readInstance('deleteResourceInstance', instance) })
  }

  /** Links two resource instances. Missing instances are created. */
  createRelationshipTuple<T extends ResourceType> (tuple: TupleInput<T>): Mutation {
    return this.#mutation({ kind: 'createRelationshipTuple', tuple: readInput('createRelationshipTuple', tupleInput, tuple) })
  }

  /** Unlinks two resource instances. */
  deleteRelationshipTuple<T extends ResourceType> (tuple: TupleInput<T>): Mutation {
    return this.#mutation({ kind: 'deleteRelationshipTuple', tuple: readInput('deleteRelationshipTuple', tupleInput, tuple) })
  }

  #assignment (kind: 'assignRole' | 'unassignRole', input: unknown): Mutation {
    const assignment = readInput(kind, assignmentInput, input)
    if (kind === 'unassignRole' && assignment.expires_at !== undefined) {
      throw new MutationError('unassignRole: expiresAt is for assignRole; a role is taken away at once')
    }
    // Set explicitly, because not every PDP has a default.
    const tenant = assignment.tenant ?? (assignment.resource_instance === undefined ? DEFAULT_TENANT : undefined)
    return this.#mutation({ kind, assignment: tenant === undefined ? assignment : { ...assignment, tenant } })
  }

  #mutation (description: FactMutation): Mutation {
    return new Mutation(description, async mutation => {
      const [result] = await this.#writer.write([mutation])
      return result as NonNullable<typeof result>
    })
  }
}

/** Rejects an object together with further arguments: ignoring one of them could assign the role in the wrong tenant. */
function oneForm (what: string, user: string | AssignmentInput, role: string | undefined, tenant: string | undefined): unknown {
  if (typeof user === 'string') return { user, role, tenant }
  if (role !== undefined || tenant !== undefined) {
    throw new MutationError(`${what}: both an object and further arguments are given; ` +
      'expected { user, role, tenant? }, or user, role and tenant as arguments')
  }
  return user
}
