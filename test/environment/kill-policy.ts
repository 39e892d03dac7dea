// The policy of the kill test, for the process that is killed and the one that looks at what is left.
import type { Policy } from '../../src/engine/policy/policy.js'

export const killPolicy: Policy = {
  resources: {
    folder: { actions: { read: {} } },
    document: { actions: { read: {} }, relations: { parent: 'folder' }, roles: { reader: { permissions: ['read'] } } }
  },
  roles: { admin: { permissions: ['document:read'] }, viewer: { permissions: ['document:read'] } },
  tenants: { acme: {} },
  users: { seeded: {} }
}
