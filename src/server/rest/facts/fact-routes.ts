// The routes of Permit's REST API that write facts, in one table.
import { relationshipTupleRoutes } from './relationship-tuples.js'
import { resourceInstanceRoutes } from './resource-instances.js'
import { roleAssignmentRoutes } from './role-assignments.js'
import { tenantRoutes } from './tenants.js'
import { userRoutes } from './users.js'
import type { Route } from '../../http/route.js'

/** Served under `/facts` and under `/v2/facts/{project}/{environment}`. */
export const factRoutes: readonly Route[] = [
  ...userRoutes, ...tenantRoutes, ...roleAssignmentRoutes, ...resourceInstanceRoutes, ...relationshipTupleRoutes
]
