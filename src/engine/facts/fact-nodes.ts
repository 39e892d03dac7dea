// The graph of facts in memory: users, tenants and instances, each with everything that refers to it.
import type { UserFact, TenantFact, ResourceInstanceFact } from './fact.js'

/** A user with everything that refers to it. Only the engine sees nodes; all other code sees facts. */
export class UserNode {
  fact: UserFact
  /**
   * Roles by the key of the tenant. Most users have no roles on instances, and many have no roles at all, so both are created when they are
   * needed.
   */
  tenantRoles: TenantRoles | null = null
  instanceRoles: Map<InstanceNode, readonly string[]> | null = null

  constructor (fact: UserFact) {
    this.fact = fact
  }

  /** The roles in the tenant with this key; undefined for none. */
  rolesIn (tenant: string): readonly string[] | undefined {
    return this.tenantRoles === null ? undefined : this.tenantRoles.get(tenant)
  }
}

/**
 * Roles by tenant. Most users have roles in one tenant, and a map with one entry takes four times the memory, so the first tenant has
 * fields of its own. Lists of roles are shared between users; they are replaced and never changed.
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

  /** Removes a tenant. Returns false when it is the last one: it stays, and the caller drops the whole object. */
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

/** A tenant with everything that refers to it. */
export class TenantNode {
  fact: TenantFact
  readonly members = new Map<string, Set<UserNode>>()
  readonly instances = new Set<InstanceNode>()

  constructor (fact: TenantFact) {
    this.fact = fact
  }
}

/** A resource instance with everything that refers to it. */
export class InstanceNode {
  fact: ResourceInstanceFact
  readonly tenant: TenantNode
  /** The users with a role on the instance, by role. */
  holders: Map<string, Set<UserNode>> | null = null
  /** The subjects of its relations, by relation: the way up. */
  subjects: Map<string, Set<InstanceNode>> | null = null
  /** The objects of the relations in which it is the subject, by relation: the way down. */
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
