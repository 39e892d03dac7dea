// An ABAC environment, set up, asked, changed and torn down by Permit's own SDK.
import t from 'tap'
import { failureOf, sdkWithPdp } from './support.js'

t.test('condition sets and their rules decide, can be changed and removed', async t => {
  const { permit } = await sdkWithPdp(t)
  const { api } = permit

  const resource = await api.resources.create({
    key: 'expense', name: 'Expense', actions: { approve: {}, read: {} }, attributes: { amount: { type: 'number' }, department: { type: 'string' } }
  })
  await api.roles.create({ key: 'employee', name: 'Employee' })
  const managers = await api.conditionSets.create({
    key: 'managers', name: 'Managers', type: 'userset', conditions: { allOf: [{ 'user.level': { 'greater-than-equals': 5 } }] }
  })
  t.match(managers, { key: 'managers', type: 'userset', conditions: { allOf: [{ 'user.level': { 'greater-than-equals': 5 } }] } })
  const small = await api.conditionSets.create({
    key: 'small_expenses',
    name: 'Small expenses',
    type: 'resourceset',
    resource_id: resource.id as never,
    conditions: { allOf: [{ 'resource.amount': { 'less-than': 100 } }, { 'resource.department': { equals: { ref: 'user.department' } } }] }
  })
  t.match(small, { type: 'resourceset', resource_id: resource.id, resource: { key: 'expense' } })
  const rule = await api.conditionSetRules.create({ user_set: 'managers', permission: 'expense:approve', resource_set: 'small_expenses' })
  t.match(rule, { user_set: 'managers', permission: 'expense:approve', resource_set: 'small_expenses', id: String, key: String })

  await api.users.sync({ key: 'mia', attributes: { level: 7, department: 'it' } })
  await api.users.sync({ key: 'joe', attributes: { level: 2, department: 'it' }, role_assignments: [{ role: 'employee', tenant: 'default' }] })

  const lunch = { type: 'expense', attributes: { amount: 20, department: 'it' } }
  t.equal(await permit.check('mia', 'approve', lunch), true)
  t.equal(await permit.check('mia', 'approve', { type: 'expense', attributes: { amount: 200, department: 'it' } }), false, 'too large')
  t.equal(await permit.check('mia', 'approve', { type: 'expense', attributes: { amount: 20, department: 'hr' } }), false, 'of another department')
  t.equal(await permit.check('joe', 'approve', lunch), false, 'not a manager')
  t.equal(await permit.check({ key: 'joe', attributes: { level: 9 } }, 'approve', lunch), true, 'what is asked counts more than what is stored')

  // The attributes of an instance that is known need not be sent.
  await api.resourceInstances.create({ resource: 'expense', key: 'trip', tenant: 'default', attributes: { amount: 50, department: 'it' } })
  t.equal(await permit.check('mia', 'approve', 'expense:trip'), true)
  await api.resourceInstances.update('expense:trip', { attributes: { amount: 500, department: 'it' } })
  t.equal(await permit.check('mia', 'approve', 'expense:trip'), false)

  // A role is a user set of its own, and a resource a resource set.
  await api.conditionSetRules.create({ user_set: 'employee', permission: 'expense:read', resource_set: 'expense', is_role: true, is_resource: true })
  t.equal(await permit.check('joe', 'read', 'expense:trip'), true)
  t.equal(await permit.check('mia', 'read', 'expense:trip'), false)

  t.same((await api.conditionSets.list()).map(({ key }) => key), ['managers', 'small_expenses'])
  t.same(await api.conditionSetRules.list({ userSetKey: 'managers', permissionKey: 'expense:approve', resourceSetKey: 'small_expenses' }), [rule])
  await api.conditionSets.update('managers', { conditions: { allOf: [{ 'user.level': { 'greater-than-equals': 2 } }] } })
  t.equal(await permit.check('joe', 'approve', lunch), true)

  await api.conditionSetRules.delete({ user_set: 'managers', permission: 'expense:approve', resource_set: 'small_expenses' })
  t.equal(await permit.check('mia', 'approve', lunch), false)
  t.match(await failureOf(api.conditionSetRules.delete({ user_set: 'managers', permission: 'expense:approve', resource_set: 'small_expenses' })), { status: 404 })

  // Rules go with their sets.
  await api.conditionSetRules.create({ user_set: 'managers', permission: 'expense:approve', resource_set: 'small_expenses' })
  await api.conditionSets.delete('managers')
  t.equal(await permit.check('mia', 'approve', lunch), false)
  await api.conditionSets.delete(small.id)
  t.same(await api.conditionSets.list(), [])
})

t.test('an invalid condition is refused, with the place and the word', async t => {
  const { permit: { api } } = await sdkWithPdp(t)
  await api.resources.create({ key: 'task', name: 'Task', actions: { read: {} } })
  const { status, body } = await failureOf(api.conditionSets.create({ key: 'adults', name: 'Adults', type: 'userset', conditions: { allOf: [{ 'user.age': { 'greater-then': 17 } }] } }))
  t.equal(status, 422)
  t.match(body.message, /user_sets\.adults\.conditions.*greater-then.*greater-than/)
  t.same(await api.conditionSets.list(), [])
  t.match(await failureOf(api.conditionSets.create({ key: 'some', name: 'Some', type: 'resourceset', conditions: {} })), { status: 422, body: { message: /resource_id/ } })
  t.match(await failureOf(api.conditionSetRules.create({ user_set: 'nobody', permission: 'task:read', resource_set: 'task' })), { status: 422, body: { message: /nobody/ } })
})
