// Facts linked to one another in memory: a user, a tenant or an instance with everything that hangs on it.
import type { UserFact, TenantFact, ResourceInstanceFact } from './fact.js'

/** A user with what hangs on it. Only the engine sees nodes; everybody else sees facts. */
export class UserNode {
  fact: UserFact
  /**
   * Roles by the key of the tenant, which is there as long as a user has a role in it. Most users have no roles on instances and many none at
   * all: both are made when needed.
   */
  tenantRoles: TenantRoles | null = null
  instanceRoles: Map<InstanceNode, readonly string[]> | null = null

  constructor (fact: UserFact) {
    this.fact = fact
  }

  /** The roles in the tenant of that key; undefined when there is none. */
  rolesIn (tenant: string): readonly string[] | undefined {
    return this.tenantRoles === null ? undefined : this.tenantRoles.get(tenant)
  }
}

/**
 * Roles by tenant. Most users have roles in one tenant, and a map for one entry takes four times the memory: the first tenant has
 * fields of its own. Lists of roles are shared between users, and replaced, never changed.
 */
export class TenantRoles {
  #tenant: string
  #roles: readonly string[]
  #more: Map<string, readonly string[]> | null = null

  constructor (tenant: string, roles: readonly string[]) {
    this.#tenant = tenant
    this.#roles = roles
  }

  get (tenant: string): readonly string[] | undefined {
    if (tenant === this.#tenant) return this.#roles
    return this.#more === null ? undefined : this.#more.get(tenant)
  }

  set (tenant: string, roles: readonly string[]): void {
    if (tenant === this.#tenant) this.#roles = roles
    else (this.#more ??= new Map()).set(tenant, roles)
  }

  /** Takes a tenant out. Returns whether others are left; the last one stays where it is, for the caller to drop the whole. */
  delete (tenant: string): boolean {
    if (tenant !== this.#tenant) {
      this.#more?.delete(tenant)
      return true
    }
    const next = this.#more?.entries().next().value
    if (next === undefined) return false
    const [other, roles] = next
    this.#tenant = other
    this.#roles = roles
    this.#more?.delete(other)
    return true
  }

  get size (): number {
    return 1 + (this.#more?.size ?? 0)
  }

  * keys (): Generator<string> {
    for (const [tenant] of this) yield tenant
  }

  * [Symbol.iterator] (): Generator<[tenant: string, roles: readonly string[]]> {
    yield [this.#tenant, this.#roles]
    if (this.#more !== null) yield * this.#more
  }
}

/** A tenant with what hangs on it. */
export class TenantNode {
  fact: TenantFact
  readonly members = new Map<string, Set<UserNode>>()
  readonly instances = new Set<InstanceNode>()

  constructor (fact: TenantFact) {
    this.fact = fact
  }
}

/** A resource instance with what hangs on it. */
export class InstanceNode {
  fact: ResourceInstanceFact
  readonly tenant: TenantNode
  /** Role to the users who have it here. */
  holders: Map<string, Set<UserNode>> | null = null
  /** Relation to the instances that are the subjects of it, this being the object: the way up. */
  subjects: Map<string, Set<InstanceNode>> | null = null
  /** Relation to the instances that are the objects of it, this being the subject: the way down. */
  objects: Map<string, Set<InstanceNode>> | null = null

  constructor (fact: ResourceInstanceFact, tenant: TenantNode) {
    this.fact = fact
    this.tenant = tenant
  }

  /** `type:key`. */
  get id (): string {
    return `${this.fact.resource}:${this.fact.key}`
  }
}
