// A mutation is a description: of what, when it is made, and what makes none.
import t from 'tap'
import permit, { type Policy, type SyncUserInput } from '../../../src/index.js'
import { fastifyFor } from '../../support/app.js'

const policy: Policy = { resources: { task: { actions: { create: {} } } }, roles: { admin: { permissions: ['task:create'] } } }

t.test('it is applied when it is awaited, once, and each time it is passed to write', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  const { api } = app.permit
  const create = api.createTenant({ key: 'acme' })
  const remove = api.deleteTenant('acme')
  t.same(await remove, { status: 'unchanged' }, 'nobody has awaited the other')
  t.same(await create, { status: 'created' })
  t.same(await create, { status: 'created' }, 'it was not made again')
  t.same(await app.permit.write(create, remove, create), [{ status: 'unchanged' }, { status: 'deleted' }, { status: 'created' }])
  t.same(await app.permit.write(), [])
  const failing = api.deleteTenant('default')
  t.match(await failing.catch((error: unknown) => error), { code: 'FST_PERMIT_WRITE' })
  let settled = false
  await api.deleteTenant('acme').finally(() => { settled = true })
  t.ok(settled)
})

t.test('it copies its input: later changes of the input do not matter', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  const input = { key: 'ann', attributes: { level: 1 }, roles: [{ role: 'admin' }] }
  const mutation = app.permit.api.syncUser(input)
  input.key = 'eve'
  input.attributes.level = 9
  Object.assign(input.roles[0] as object, { role: 'owner' })
  t.same(mutation.description, { kind: 'syncUser', user: { key: 'ann', attributes: { level: 1 } }, roles: [{ role: 'admin', tenant: 'default' }] })
})

t.test('names in camel case and snake case are both accepted', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  const { api } = app.permit
  t.same(api.syncUser({ key: 'a', first_name: 'A', last_name: 'B' }).description, api.syncUser({ key: 'a', firstName: 'A', lastName: 'B' }).description)
  t.same(
    api.assignRole({ user: 'a', role: 'r', resource_instance: 'document:x' }).description,
    api.assignRole({ user: 'a', role: 'r', resourceInstance: 'document:x' }).description)
  t.same(api.assignRole('a', 'r').description, { kind: 'assignRole', assignment: { user: 'a', role: 'r', tenant: 'default' } })
  t.same(api.deleteResourceInstance({ resource: 'document', key: 'a:b' }).description, { kind: 'deleteResourceInstance', instance: 'document:a:b' })
})

t.test('an invalid mutation is refused before anything is written', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  const { api } = app.permit
  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  for (const [make, message] of [
    [() => api.syncUser('ann' as unknown as SyncUserInput), /syncUser: expected an object, got "ann"/],
    [() => api.syncUser({} as SyncUserInput), /syncUser: key is missing/],
    [() => api.syncUser({ key: '' }), /syncUser: key is ""; expected a non-empty string/],
    [() => api.syncUser({ key: 7 as unknown as string }), /syncUser: key is 7; expected a non-empty string/],
    [() => api.syncUser({ key: 'a', emial: 'x' } as SyncUserInput), /syncUser: emial is not known; expected one of key, email, first_name, last_name, attributes, roles/],
    [() => api.syncUser({ key: 'a', firstName: 'A', first_name: 'B' }), /syncUser: first_name is given in both spellings/],
    [() => api.syncUser({ key: 'a', attributes: loop }), /syncUser: attributes/],
    [() => api.syncUser({ key: 'a', attributes: [] as unknown as Record<string, unknown> }), /syncUser: attributes/],
    [() => api.syncUser({ key: 'a', roles: ['admin'] as unknown as SyncUserInput['roles'] }), /syncUser: roles.0 is "admin"; expected a list of \{ role, tenant\? \}/],
    [() => api.syncUser({ key: 'a', roles: [{ role: '' }] }), /syncUser: roles.0.role is ""; expected a non-empty string/],
    [() => api.syncUser({ key: 'a', roles: [{ role: 'x', tennant: 'y' } as { role: string }] }), /syncUser: roles.0.tennant is not known; expected one of role, tenant/],
    [() => api.deleteUser(''), /deleteUser: the user is ""/],
    [() => api.createTenant({ key: 'a', name: 1 as unknown as string }), /createTenant: name is 1; expected a string/],
    [() => api.assignRole('ann', undefined as unknown as string), /assignRole: role is missing/],
    [() => api.assignRole({ user: 'ann', role: 'r', resourceInstance: 'document' }), /assignRole: resource_instance is "document"; expected '<type>:<key>'/],
    [() => api.assignResourceRole('ann', 'r', 'document:'), /assignResourceRole: the resource instance is "document:"/],
    [() => api.createResourceInstance({ resource: 'a:b', key: 'x' }), /createResourceInstance: resource is "a:b"; expected a resource type, which has no colon/],
    [() => api.deleteResourceInstance({ resource: 'a', key: '' }), /deleteResourceInstance: the key is ""/],
    [() => api.createRelationshipTuple({ subject: 'a', relation: 'b', object: 'c:d' }), /createRelationshipTuple: subject is "a"; expected '<type>:<key>'/]
  ] as Array<[() => unknown, RegExp]>) {
    t.throws(make, { code: 'FST_PERMIT_MUTATION', message }, String(message))
  }
  await t.rejects(app.permit.write(api.createTenant({ key: 'acme' }), { kind: 'deleteUser' } as never), { code: 'FST_PERMIT_MUTATION', message: /argument 1 is not a mutation/ })
  t.same(await api.deleteTenant('acme'), { status: 'unchanged' }, 'nothing was written')
})
