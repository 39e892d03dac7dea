// Facts linked to one another in memory: a user, a tenant or an instance with everything that hangs on it.
import type { UserFact, TenantFact, ResourceInstanceFact } from './fact.js'

/** A user with what hangs on it. Only the engine sees nodes; everybody else sees facts. */
export class UserNode {
  fact: UserFact
  /**
   * Roles by the key of the tenant, which is there as long as somebody has a role in it. Most users have no roles on instances and many none at
   * all: maps are made when needed.
   */
  tenantRoles: Map<string, string[]> | null = null
  instanceRoles: Map<InstanceNode, string[]> | null = null

  constructor (fact: UserFact) {
    this.fact = fact
  }

  /** The roles in the tenant of that key; undefined when there is none. */
  rolesIn (tenant: string): readonly string[] | undefined {
    return this.tenantRoles === null ? undefined : this.tenantRoles.get(tenant)
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
