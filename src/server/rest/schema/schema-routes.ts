// The routes of Permit's REST API that write the schema, in one table.
import { conditionSetRoutes } from './condition-sets.js'
import { resourceRoleRoutes } from './resource-roles.js'
import { resourceRoutes } from './resources.js'
import { roleRoutes } from './roles.js'
import type { Route } from '../../http/route.js'

export { setRuleRoutes } from './condition-sets.js'

/** Served under `/v2/schema/{project}/{environment}`. */
export const schemaRoutes: readonly Route[] = [...resourceRoutes, ...resourceRoleRoutes, ...roleRoutes, ...conditionSetRoutes]
