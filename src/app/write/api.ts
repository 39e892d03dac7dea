// `app.permit.api`: the mutations that there are, in the words of Permit's SDKs.
import type { InstanceText, RelationOf, ResourceRoleOf, ResourceType, RoleName } from '../../contract/vocabulary.js'
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import { MutationError } from '../../contract/errors.js'
import type { FactMutation } from '../../contract/fact-mutation.js'
import { AssignmentSchema, InstanceSchema, readInput, readInstance, readKey, TenantSchema, TupleSchema, UserSchema } from './input.js'
import { Mutation } from './mutation.js'
import type { Writer } from './writer.js'

/** A user to sync. Names of either case serve. */
export interface SyncUserInput {
  readonly key: string
  readonly email?: string
  readonly firstName?: string
  readonly first_name?: string
  readonly lastName?: string
  readonly last_name?: string
  /** What JSON can carry. */
  readonly attributes?: Readonly<Record<string, unknown>>
  /** Roles that the user gets when new, each in a tenant, `default` unless told. */
  readonly roles?: ReadonlyArray<{ readonly role: RoleName, readonly tenant?: string }>
}

/** A tenant to create. */
export interface TenantInput {
  readonly key: string
  readonly name?: string
  readonly description?: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** A role of a user in a tenant, or with an instance (`type:key`) on that instance. */
export interface AssignmentInput {
  readonly user: string
  readonly role: RoleName | ResourceRoleOf<ResourceType>
  /** `default` unless told; with an instance, the instance's. */
  readonly tenant?: string
  readonly resourceInstance?: InstanceText<ResourceType>
  readonly resource_instance?: InstanceText<ResourceType>
}

/** A resource instance to create. */
export interface ResourceInstanceInput {
  /** Resource type. */
  readonly resource: ResourceType
  readonly key: string
  /** `default` unless told. */
  readonly tenant?: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** An instance: `type:key`, or its parts. */
export type InstanceName<T extends ResourceType = ResourceType> = InstanceText<T> | { readonly resource: T, readonly key: string }

/** `subject` is `relation` of `object`: `folder:rnd` is `parent` of `document:spec`. */
export interface TupleInput<T extends ResourceType = ResourceType> {
  /** `type:key`. */
  readonly subject: InstanceText<ResourceType>
  readonly relation: RelationOf<T>
  /** `type:key`. */
  readonly object: InstanceText<T>
  /** That of the instances unless told. */
  readonly tenant?: string
}

/**
 * Describes writes; nothing is written before a description is handed to `app.permit.write` or awaited.
 *
 * What a mutation wants is a state. Where that is so already (a tenant that exists, a role that the user has, a user who is
 * gone), it does nothing, and its result is `unchanged`: a write can be made again after it has failed half-way.
 *
 * Each method throws a `MutationError` at once when what it is given makes no mutation. What fails later fails with a `WriteError`.
 */
export class WriteApi {
  readonly #writer: Writer

  constructor (writer: Writer) {
    this.#writer = writer
  }

  /**
   * Creates the user with the initial roles, or replaces what is known of a user who exists, whose roles stay as they are.
   *
   * Over HTTP a new user gets the roles one by one; should one of them fail, the error's `partly` says which ones the user has.
   */
  syncUser (user: SyncUserInput): Mutation {
    const { roles = [], ...fact } = readInput('syncUser', UserSchema, user)
    return this.#mutation({ kind: 'syncUser', user: fact, roles: roles.map(({ role, tenant = DEFAULT_TENANT }) => ({ role, tenant })) })
  }

  /** Deletes the user and the user's roles. */
  deleteUser (user: string): Mutation {
    return this.#mutation({ kind: 'deleteUser', user: readKey('deleteUser', 'the user', user) })
  }

  /** Creates a tenant. One that exists stays as it is, with the name and the attributes that it has. */
  createTenant (tenant: TenantInput): Mutation {
    return this.#mutation({ kind: 'createTenant', tenant: readInput('createTenant', TenantSchema, tenant) })
  }

  /** Deletes the tenant, the roles in it, and its resource instances. The tenant `default` cannot be deleted. */
  deleteTenant (tenant: string): Mutation {
    return this.#mutation({ kind: 'deleteTenant', tenant: readKey('deleteTenant', 'the tenant', tenant) })
  }

  /** Gives a user a role in a tenant. */
  assignRole (user: string, role: RoleName, tenant?: string): Mutation
  /** Gives a user a role in a tenant, or on a resource instance. */
  assignRole (assignment: AssignmentInput): Mutation
  assignRole (user: string | AssignmentInput, role?: string, tenant?: string): Mutation {
    return this.#assignment('assignRole', oneForm('assignRole', user, role, tenant))
  }

  /** Takes a role in a tenant from a user. */
  unassignRole (user: string, role: RoleName, tenant?: string): Mutation
  /** Takes a role in a tenant, or on a resource instance, from a user. */
  unassignRole (assignment: AssignmentInput): Mutation
  unassignRole (user: string | AssignmentInput, role?: string, tenant?: string): Mutation {
    return this.#assignment('unassignRole', oneForm('unassignRole', user, role, tenant))
  }

  /** Gives a user one of the resource type's roles on an instance, which is created when it is not there. */
  assignResourceRole<T extends ResourceType> (user: string, role: ResourceRoleOf<T>, instance: InstanceName<T>): Mutation {
    return this.#assignment('assignRole', { user, role, resource_instance: readInstance('assignResourceRole', instance) })
  }

  /** Takes a role on an instance from a user. */
  unassignResourceRole<T extends ResourceType> (user: string, role: ResourceRoleOf<T>, instance: InstanceName<T>): Mutation {
    return this.#assignment('unassignRole', { user, role, resource_instance: readInstance('unassignResourceRole', instance) })
  }

  /** Creates a resource instance. One that exists in the same tenant stays as it is; one in another tenant is an error. */
  createResourceInstance (instance: ResourceInstanceInput): Mutation {
    const { tenant = DEFAULT_TENANT, ...fact } = readInput('createResourceInstance', InstanceSchema, instance)
    return this.#mutation({ kind: 'createResourceInstance', instance: { ...fact, tenant } })
  }

  /** Deletes a resource instance, the roles on it and its tuples. */
  deleteResourceInstance (instance: InstanceName): Mutation {
    return this.#mutation({ kind: 'deleteResourceInstance', instance: readInstance('deleteResourceInstance', instance) })
  }

  /** Links two resource instances, which are created when they are not there. */
  createRelationshipTuple<T extends ResourceType> (tuple: TupleInput<T>): Mutation {
    return this.#mutation({ kind: 'createRelationshipTuple', tuple: readInput('createRelationshipTuple', TupleSchema, tuple) })
  }

  /** Unlinks two resource instances. */
  deleteRelationshipTuple<T extends ResourceType> (tuple: TupleInput<T>): Mutation {
    return this.#mutation({ kind: 'deleteRelationshipTuple', tuple: readInput('deleteRelationshipTuple', TupleSchema, tuple) })
  }

  #assignment (kind: 'assignRole' | 'unassignRole', input: unknown): Mutation {
    const assignment = readInput(kind, AssignmentSchema, input)
    // Said, because not every PDP fills it in.
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

/** A role by its parts or as an object: of both, one would be dropped, and the role be given in another tenant than the one that was meant. */
function oneForm (what: string, user: string | AssignmentInput, role: string | undefined, tenant: string | undefined): unknown {
  if (typeof user === 'string') return { user, role, tenant }
  if (role !== undefined || tenant !== undefined) throw new MutationError(`${what}: an object and further arguments are given; expected { user, role, tenant? } or the user, the role and the tenant`)
  return user
}
