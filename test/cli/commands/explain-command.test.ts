// `fastify-permit explain`: every model says what it found, in words that name the roles, the values and the ways.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLocalPdp } from '../../../src/server/index.js'
import { pdpFor } from '../../support/app.js'
import { permit } from '../in-process.js'

const POLICY = `
resources:
  task: { actions: { create: {}, delete: {} } }
  folder:
    actions: { open: {} }
    roles: { editor: { permissions: [open] } }
  document:
    actions: { read: {}, edit: {} }
    relations: { parent: folder }
    roles:
      reader: { permissions: [read] }
      editor:
        permissions: [edit]
        granted_to:
          users_with_role: [{ role: editor, on_resource: folder, linked_by_relation: parent }]
          when: { no_direct_roles_on_object: true }
roles:
  viewer: {}
  lead: { permissions: ['task:delete'] }
  admin: { permissions: ['task:create'], extends: [lead] }
user_sets:
  engineers: { conditions: { allOf: [{ user.department: { equals: engineering } }, { not: [{ user.blocked: { equals: true } }] }] } }
resource_sets:
  own: { resource: document, conditions: { resource.owner: { equals: { ref: user.key } } } }
set_rules:
  - { user_set: engineers, permission: 'document:read', resource_set: own }
tenants: { acme: {} }
users:
  ada: {}
  victor: {}
  ben: { attributes: { department: sales } }
  uma: { attributes: { department: engineering } }
role_assignments:
  - { user: ada, role: admin }
  - { user: victor, role: viewer }
  - { user: victor, role: admin, tenant: acme }
  - { user: ada, role: editor, resource_instance: 'folder:plans' }
  - { user: victor, role: reader, resource_instance: 'document:spec' }
  - { user: victor, role: editor, resource_instance: 'folder:plans' }
resource_instances:
  - { resource: document, key: spec, attributes: { owner: uma } }
  - { resource: document, key: secret, tenant: acme }
relationship_tuples:
  - { subject: 'folder:plans', relation: parent, object: 'document:spec' }
`

function policyFor (t: Test): string {
  const file = join(t.testdir(), 'permit.yaml')
  writeFileSync(file, POLICY)
  return file
}

const ask = (user: string, action: string, resource: string, ...more: string[]) => ['explain', '--user', user, '--action', action, '--resource', resource, ...more]

t.test('RBAC: the roles of the user, the source of the permission, and what is missing', async t => {
  const policy = policyFor(t)
  const yes = await permit(ask('ada', 'delete', 'task:1', '--policy', policy))
  t.match(yes, { code: 0, out: /^✓ ada may delete task:1 in default\n/, err: '' })
  t.match(yes.out, /✓ RBAC.*\n.*✓ has role admin in default: .*'task:delete', inherited from role 'lead'/)
  t.match(yes.out, /ABAC does not apply: no set rule is about task:delete\n.*ReBAC does not apply: task has no roles/)

  const no = await permit(ask('victor', 'delete', 'task', '--policy', policy))
  t.match(no, { code: 1, out: /^✗ victor may not delete task in default \(no_permission\)\n/ })
  t.match(no.out, /✗ has role viewer in default, which does not hold task:delete/)
  t.match(no.out, /roles in other tenants do not count: admin in acme/)
  t.match(no.out, /needed: role lead or admin in default/)
  t.match((await permit(ask('ben', 'delete', 'task', '--policy', policy))).out, /✗ has no role in default/)
})

t.test('ABAC: each condition with its actual and expected values', async t => {
  const policy = policyFor(t)
  const yes = (await permit(ask('uma', 'read', 'document:spec', '--policy', policy))).out
  t.match(yes, /✓ ABAC.*\n.*✓ set_rules\[0\]: engineers on own/)
  t.match(yes, /✓ user\.department is "engineering"; expected: equals "engineering"/)
  t.match(yes, /✓ none of\n.*✗ user\.blocked is missing; expected: equals true/)
  t.match(yes, /✓ resource\.owner is "uma"; expected: equals user\.key, which is "uma"/)
  const no = (await permit(ask('ben', 'read', 'document:spec', '--policy', policy, '--user-attributes', '{"blocked":true}'))).out
  t.match(no, /✗ the user is not in engineers\n.*✗ user\.department is "sales"; expected: equals "engineering"\n.*✗ none of\n.*✓ user\.blocked is true/)
  t.match(no, /✗ resource\.owner is "uma"; expected: equals user\.key, which is "ben"/)
})

t.test('ReBAC: the path that leads to a role, or where it ends', async t => {
  const policy = policyFor(t)
  const derived = (await permit(ask('ada', 'edit', 'document:spec', '--policy', policy))).out
  t.match(derived, /✓ has role editor on document:spec, which holds document:edit: derived\n.*✓ parent folder:plans: has role editor on folder:plans: assigned/)
  const off = (await permit(ask('victor', 'edit', 'document:spec', '--policy', policy))).out
  t.match(off, /✗ has role reader on document:spec, which does not hold document:edit/)
  t.match(off, /✗ does not have role editor on document:spec\n.*✗ not derived by parent: the user has a role on document:spec itself, which switches it off/)
  t.match((await permit(ask('ben', 'edit', 'document:spec', '--policy', policy))).out, /✗ parent folder:plans: does not have role editor on it/)
  t.match((await permit(ask('ada', 'edit', 'document:none', '--policy', policy))).out, /document:none is not a known instance/)
  t.match((await permit(ask('ada', 'edit', 'document:secret', '--policy', policy))).out, /document:secret belongs to acme; roles on it do not count in default/)
  t.match((await permit(ask('ada', 'edit', 'document', '--policy', policy))).out, /needed: role editor on an instance, but the question names none/)
})

t.test('unknown names are reported instead of models, with a suggestion', async t => {
  const policy = policyFor(t)
  t.match(await permit(ask('ada', 'delete', 'taks', '--policy', policy)), { code: 1, out: /no_such_resource.*\n.*did you mean 'task'/ })
  t.match(await permit(ask('eve', 'delete', 'task', '--policy', policy)), { code: 1, out: /user_not_synced.*\n[^]*✗ RBAC/i }, 'conditions are asked of a stranger, too')
})

t.test('JSON contains the same', async t => {
  const policy = policyFor(t)
  const { code, out } = await permit(ask('ada', 'edit', 'document:spec', '--policy', policy, '--json'))
  t.equal(code, 0)
  t.match(JSON.parse(out), { allow: true, code: 'allow', models: { rbac: { allow: false, roles: [{ role: 'admin', holds: false }] }, rebac: { allow: true, holders: ['editor'], roles: [{ role: 'editor', has: true }] } } })
})

t.test('for a PDP over HTTP it shows the reasons that the PDP sends', async t => {
  const app = createLocalPdp({ policy: policyFor(t), token: 'a-token', watch: false })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { code, out, err } = await permit(ask('ada', 'edit', 'document:spec', '--pdp', url, '--token', 'a-token'))
  t.match({ code, err }, { code: 0, err: '' })
  t.match(out, /^✓ ada may edit document:spec in default\n/)
  t.match(out, /✗ rbac\n.*code: "no_permission"/)
  t.match(out, /✓ rebac\n[^]*allowing_roles\n[^]*resource_instance: "folder:plans"/)
  t.match(JSON.parse((await permit(ask('ada', 'edit', 'document:spec', '--pdp', url, '--token', 'a-token', '--json'))).out), { allow: true, debug: { rebac: { allow: true } } })

  const silent = await pdpFor(t, {
    decide: () => false,
    intercept: (_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end('{"allow":false}')
      return true
    }
  })
  t.match(await permit(ask('ada', 'edit', 'document', '--pdp', silent.url, '--token', 'x')), { code: 1, out: /the PDP gave neither a reason nor debug output/ })
})

t.test('keys of users and values cannot control the terminal', async t => {
  const policy = policyFor(t)
  const { out } = await permit(ask('ada\u001b[2J', 'delete', 'task', '--policy', policy))
  t.notMatch(out, '\u001b')
  t.match(out, 'ada\\u001b[2J')
})

t.test('the facts of a test file can be added', async t => {
  const policy = policyFor(t)
  const given = `${policy}.given.yaml`
  writeFileSync(given, 'given:\n  users: { zoe: }\n  role_assignments: [{ user: zoe, role: lead }]\ntests: [zoe may delete task]\n')
  t.match(await permit(ask('zoe', 'delete', 'task', '--policy', policy, '--given', given)), { code: 0 })
  t.match(await permit(ask('zoe', 'delete', 'task', '--policy', policy)), { code: 1 })
  t.equal(readFileSync(policy, 'utf8'), POLICY, 'the file itself stays as it is')
})
