// The query that the engine answers.

import type { GivenRoles } from './facts/given-roles.js'

/** A query: may this user perform this action on this resource? */
export interface EngineQuery {
  user: {
    key: string
    email?: string
    first_name?: string
    last_name?: string
    attributes?: Record<string, unknown>
    /** Roles in tenants, in addition to those of the facts: see `facts/given-roles.ts`. */
    roles?: GivenRoles
  }
  action: string
  resource: {
    type: string
    key?: string
    tenant: string
    attributes?: Record<string, unknown>
  }
  context?: Record<string, unknown>
}

/**
 * Stands for the tenant of a query that names none: no role in a tenant counts, and an instance is looked up in its own tenant. No tenant
 * has an empty key.
 */
export const NO_TENANT = ''
