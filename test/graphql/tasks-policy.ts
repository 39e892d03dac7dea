// The policy of the tests of GraphQL: Ann may create, Vic may read, and update one task; Eve may nothing.

export const policy = {
  resources: { task: { actions: { read: {}, create: {}, update: {} }, roles: { owner: { permissions: ['update'] } } } },
  roles: { reader: { permissions: ['task:read'] }, writer: { permissions: ['task:read', 'task:create'] } },
  users: { ann: {}, vic: {}, eve: {} },
  resource_instances: [{ resource: 'task', key: '7' }],
  role_assignments: [{ user: 'ann', role: 'writer' }, { user: 'vic', role: 'reader' }, { user: 'vic', role: 'owner', resource_instance: 'task:7' }]
}
