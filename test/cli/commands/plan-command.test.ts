// `fastify-permit plan`: which rows a user may act on, in a sentence, by what in the policy, as a condition and as SQL.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLocalPdp } from '../../../src/server/index.js'
import { pdpFor } from '../../support/app.js'
import { sqliteFor } from '../../lists/support/databases.js'
import { permit } from '../in-process.js'

const POLICY = `
resources:
  folder:
    actions: { open: {} }
    roles: { editor: { permissions: [open] } }
  document:
    actions: { read: {}, edit: {}, burn: {} }
    relations: { parent: folder }
    roles:
      editor:
        permissions: [edit, read]
        granted_to: { users_with_role: [{ role: editor, on_resource: folder, linked_by_relation: parent }] }
roles:
  admin: { permissions: ['document:read'] }
user_sets:
  anybody: { conditions: { allOf: [] } }
resource_sets:
  own: { resource: document, conditions: { anyOf: [{ resource.owner: { equals: { ref: user.key } } }, { resource.address.city: { in: [Bern, Chur] } }] } }
  whole: { resource: document, conditions: { resource.address: { equals: { city: Bern } } } }
set_rules:
  - { user_set: anybody, permission: 'document:read', resource_set: own }
  - { user_set: anybody, permission: 'document:burn', resource_set: whole }
users: { ann: {}, ada: {} }
role_assignments:
  - { user: ada, role: admin }
  - { user: ann, role: editor, resource_instance: 'folder:plans' }
resource_instances:
  - { resource: document, key: spec, attributes: { address: { city: Bern } } }
relationship_tuples:
  - { subject: 'folder:plans', relation: parent, object: 'document:spec' }
`

function policyFor (t: Test): string {
  const file = join(t.testdir(), 'permit.yaml')
  writeFileSync(file, POLICY)
  return file
}

/** Runs a command, and gives what it printed. */
async function run (args: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  const { code, out, err } = await permit(args)
  return { code, stdout: out, stderr: err }
}

const ask = (user: string, action: string, ...more: string[]) => ['plan', '--user', user, '--action', action, '--resource', 'document', ...more]

t.test('it prints the rows as a sentence, the rules, and the condition', async t => {
  const policy = policyFor(t)
  const { code, stdout } = await run(ask('ann', 'read', '--policy', policy))
  t.equal(code, 0)
  t.match(stdout, "ann may read each document in default where owner is 'ann' or address.city is one of 'Bern', 'Chur' or key is 'spec'")
  t.match(stdout, `├─ set_rules[0]: user set 'anybody' on resource set 'own' (${policy}:21)\n│  └─ owner is 'ann' or address.city is one of 'Bern', 'Chur'`)
  t.match(stdout, `└─ role 'editor' on instances of 'document': from 'editor' on 'folder' by 'parent' (${policy}:10)`)
  t.match(stdout, "\n   └─ key is 'spec'")
  const printed = JSON.parse(stdout.slice(stdout.indexOf('\n{')))
  t.match(printed, { operator: 'and', value: [{ field: 'tenant', value: 'default' }, { operator: 'or' }] })
})

t.test('all rows and no row are sentences, too; no row exits with 1', async t => {
  const policy = policyFor(t)
  t.match(await run(ask('ada', 'read', '--policy', policy)), { code: 0, stdout: /ada may read every document in default\n\nbecause of\n└─ role 'admin' in the tenant \(.*permit\.yaml:14\)$/ })
  t.match(await run(ask('ada', 'edit', '--policy', policy)), { code: 1, stdout: 'ada may edit no document in default' })
})

t.test('relations that are columns replace the keys of the rows', async t => {
  const { stdout } = await run(ask('ann', 'edit', '--policy', policyFor(t), '--relations', 'parent', '--sql', 'postgresql'))
  t.match(stdout, "ann may edit each document in default where its parent is 'plans'")
  t.match(stdout, '"parent_key"')
  t.match(stdout, /└─ role 'editor' on instances of 'document': from 'editor' on 'folder' by 'parent' \(.*:10\)\n {3}└─ its parent is 'plans'/)
})

t.test('each role on instances and each derivation is a branch of its own, and together they are the plan', async t => {
  const policy = join(t.testdir(), 'permit.yaml')
  writeFileSync(policy, POLICY.replace("role: editor, resource_instance: 'folder:plans' }", `role: editor, resource_instance: 'folder:plans' }
  - { user: ann, role: editor, resource_instance: 'document:own' }
  - { user: ann, role: editor, resource_instance: 'document:spec' }`))
  const { stdout } = await run(ask('ann', 'edit', '--policy', policy, '--json'))
  const { plan, branches } = JSON.parse(stdout)
  t.same(branches, [
    { because: "role 'editor' on instances of 'document': assigned", place: `${policy}:10`, condition: { operator: 'in', field: 'key', value: ['own', 'spec'] } }
  ], 'what is assigned as well as derived is said once')
  t.match(plan.condition, { value: [{ field: 'tenant' }, { field: 'key', value: ['own', 'spec'] }] })
  const read = JSON.parse((await run(ask('ann', 'read', '--policy', policy, '--json'))).stdout)
  t.equal(read.branches.length, 2)
  t.same(read.branches.map(({ place }: { place: string }) => place), [`${policy}:21`, `${policy}:10`])
})

t.test('explain says of a resource type which rows are open, and by what', async t => {
  const policy = policyFor(t)
  const explained = (user: string, resource: string, action = 'read') => run(['explain', '--user', user, '--action', action, '--resource', resource, '--policy', policy])
  const { stdout } = await explained('ann', 'document')
  t.match(stdout, "└─ ✓ LISTS: may read each document in default where owner is 'ann' or address.city is one of 'Bern', 'Chur' or key is 'spec'")
  t.match(stdout, `   ├─ set_rules[0]: user set 'anybody' on resource set 'own' (${policy}:21)`)
  t.match(stdout, `   └─ role 'editor' on instances of 'document': from 'editor' on 'folder' by 'parent' (${policy}:10)`)
  t.match((await explained('ann', 'document', 'burn')).stdout, /LISTS: there is no plan: set 'whole'/)
  t.notMatch((await explained('ann', 'document:spec')).stdout, 'LISTS')
  t.notMatch((await explained('ada', 'document')).stdout, 'LISTS', 'every row is what the decision says already')
  const json = JSON.parse((await run(['explain', '--user', 'ann', '--action', 'read', '--resource', 'document', '--policy', policy, '--json'])).stdout)
  t.match(json, { allow: false, plan: { kind: 'some' }, branches: [{ place: `${policy}:21` }, { place: `${policy}:10` }] })
})

t.test('it prints the SQL and the values separately', async t => {
  const policy = policyFor(t)
  for (const [database, place] of [['postgresql', '$1'], ['sqlite', '?']] as const) {
    const { code, stdout } = await run(ask('ann', 'read', '--policy', policy, '--sql', database, '--json'))
    t.equal(code, 0)
    const { plan, branches, sql } = JSON.parse(stdout)
    t.equal(plan.kind, 'some')
    t.equal(branches.length, 2)
    t.match(sql.text, '"tenant"')
    t.match(sql.text, place)
    t.match(sql.text, '"address_city"')
    t.notMatch(sql.text, /ann|Bern/)
    t.same(new Set(sql.values.filter((value: unknown) => value === 'ann' || value === 'Bern' || value === 'default')), new Set(['default', 'ann', 'Bern']))
  }
})

t.test('it also asks a local PDP, and reports what a PDP cannot tell', async t => {
  const pdp = createLocalPdp({ policy: policyFor(t), token: 'secret' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  t.match(await run(ask('ann', 'edit', '--pdp', url, '--token', 'secret')), { code: 0, stdout: "ann may edit each document in default where key is 'spec'" })
  const container = await pdpFor(t, { decide: () => true })
  t.match(await run(ask('ann', 'edit', '--pdp', container.url, '--token', container.token)), { code: 3, stderr: /conditions: 'none'/ })
})

t.test('a plan that would not be exact is an error with the reason', async t => {
  t.match(await run(ask('ann', 'burn', '--policy', policyFor(t))), { code: 3, stderr: /set 'whole' compares the object 'resource.address'.*has an object stored/s })
  t.match(await run(ask('ann', 'edit', '--relations', 'parnt', '--policy', policyFor(t))), { code: 3, stderr: /did you mean 'parent'/ })
})

t.test('invalid arguments are refused, also contradicting ones', async t => {
  const policy = policyFor(t)
  t.match(await run(['plan', '--user', 'ann', '--action', 'read', '--resource', 'document:spec', '--policy', policy]), { code: 2, stderr: /write its type: document/ })
  t.match(await run(ask('ann', 'read', '--policy', policy, '--sql', 'mysql')), { code: 2, stderr: /postgresql or sqlite/ })
  t.match(await run(['plan', '--user', 'ann', '--resource', 'document', '--policy', policy]), { code: 2, stderr: /--action is missing/ })
})

t.test('several actions have the rows of one of them, or of all, and the sources of each', async t => {
  const policy = policyFor(t)
  const several = (user: string, option: string, actions: string, ...more: string[]) => run(['plan', '--user', user, option, actions, '--resource', 'document', '--policy', policy, ...more])
  const any = await several('ann', '--any-of', 'read, edit', '--sql', 'sqlite')
  t.equal(any.code, 0)
  t.match(any.stdout, "ann may read or edit each document in default where owner is 'ann' or address.city is one of 'Bern', 'Chur' or key is 'spec'")
  t.match(any.stdout, `├─ read each document in default where owner is 'ann' or address.city is one of 'Bern', 'Chur' or key is 'spec'\n│  ├─ set_rules[0]: user set 'anybody' on resource set 'own' (${policy}:21)`)
  t.match(any.stdout, `└─ edit each document in default where key is 'spec'\n   └─ role 'editor' on instances of 'document': from 'editor' on 'folder' by 'parent' (${policy}:10)`)
  t.match(any.stdout, /^sql$/m)

  const all = JSON.parse((await several('ann', '--all-of', 'read,edit', '--sql', 'postgresql', '--json')).stdout)
  t.same(all.branches.map(({ action, place }: { action: string, place: string }) => [action, place]), [['read', `${policy}:21`], ['read', `${policy}:10`], ['edit', `${policy}:10`]])
  const database = sqliteFor(t)
  await database.all('CREATE TABLE documents (key, tenant, owner, address_city)')
  await database.all("INSERT INTO documents VALUES ('mine', 'default', 'ann', 'Genf'), ('spec', 'default', 'bob', 'Bern'), ('other', 'default', 'bob', 'Genf'), ('spec', 'else', 'bob', 'Bern')")
  const keys = async (option: string) => {
    const { sql } = JSON.parse((await several('ann', option, 'read,edit', '--sql', 'sqlite', '--json')).stdout)
    return (await database.all(`SELECT key FROM documents WHERE ${sql.text} ORDER BY key`, sql.values)).map(({ key }) => key)
  }
  t.same([await keys('--any-of'), await keys('--all-of')], [['mine', 'spec'], ['spec']])

  t.match(await several('ada', '--any-of', 'read,edit'), { code: 0, stdout: /^ada may read or edit every document in default\n\nbecause of\n├─ read every document in default\n│ {2}└─ role 'admin'.*\n└─ edit no document in default$/s })
  t.match(await several('ada', '--all-of', 'read,edit'), { code: 1, stdout: /^ada may read and edit no document in default/ })
  t.same(JSON.parse((await several('ann', '--all-of', 'read,read', '--json')).stdout), JSON.parse((await run(ask('ann', 'read', '--policy', policy, '--json'))).stdout), 'one action, named twice')
  t.match(await several('ann', '--any-of', 'read,burn'), { code: 3, stderr: /no plan for 'burn': set 'whole'/ })

  const pdp = createLocalPdp({ policy, token: 'secret' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const remote = await run(['plan', '--user', 'ann', '--all-of', 'read,edit', '--resource', 'document', '--pdp', url, '--token', 'secret', '--json'])
  t.same(JSON.parse(remote.stdout).plan.condition, all.plan.condition)
})

t.test('the actions are named in one way, and none of them is empty', async t => {
  const named = (...args: string[]) => run(['plan', '--user', 'ann', '--resource', 'document', '--policy', policyFor(t), ...args])
  t.match(await named('--action', 'read', '--any-of', 'edit'), { code: 2, stderr: /--action, --any-of and --all-of cannot be combined/ })
  t.match(await named('--any-of', 'read', '--all-of', 'edit'), { code: 2, stderr: /cannot be combined/ })
  for (const list of ['', ',', 'read,', 'read,,edit']) t.match(await named('--any-of', list), { code: 2, stderr: /--any-of has an empty action.*--any-of read,edit/ }, list)
  t.match(await named(), { code: 2, stderr: /--action is missing.*--any-of or --all-of/ })
})
