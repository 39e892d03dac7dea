// pull, diff and push as a person runs them, against a local PDP.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { environmentFor, folderFor, KEY } from './support.js'

const POLICY = `# The policy of the tests.
resources:
  folder:
    actions: { open: {} }
    roles:
      editor: { permissions: [open] }
  document: # of the wiki
    name: Document
    actions: { read: {}, edit: {} }
    attributes:
      secret: { type: bool }
    relations: { parent: folder }
    roles:
      editor:
        permissions: ['document:edit', read]
        granted_to:
          users_with_role:
            - { role: editor, on_resource: folder, linked_by_relation: parent }
roles:
  viewer: { permissions: ['document:read'] }
  # Those who may do more.
  admin: { extends: [viewer], permissions: ['document:edit'] }
user_sets:
  engineering: { conditions: { allOf: [{ user.department: { equals: engineering } }] } }
set_rules:
  - { user_set: engineering, permission: 'document:read', resource_set: document }
tenants:
  acme: { attributes: { plan: gold } }
users:
  ann: {}
  ben: { attributes: { department: engineering } }
role_assignments:
  - { user: ann, role: admin, tenant: acme }
  - { user: ann, role: editor, resource_instance: 'folder:plans' }
resource_instances:
  - { resource: document, key: spec, attributes: { secret: false } } # the one
relationship_tuples:
  - { subject: 'folder:plans', relation: parent, object: 'document:spec' }
`

async function world (t: Parameters<typeof environmentFor>[0]) {
  const folder = await folderFor(t, { 'permit.yaml': POLICY })
  const file = join(folder, 'permit.yaml')
  const environment = await environmentFor(t)
  const edit = async (from: string, to: string): Promise<void> => {
    const text = await readFile(file, 'utf8')
    if (!text.includes(from)) throw new Error(`the file has no ${from}`)
    await writeFile(file, text.replace(from, to))
  }
  return { ...environment, folder, file, edit }
}

t.test('a push makes the environment match the file, a second one changes nothing, and a pull leaves the file unchanged', async t => {
  const { permit, file } = await world(t)
  t.match(await permit('diff', '--policy', file, '--facts'), { code: 2, out: /\+ create resource 'folder' {2}\(.*permit\.yaml:3\)/ })
  const pushed = await permit('push', '--policy', file, '--facts')
  t.match(pushed, { code: 0, err: 'Done: 22 create.' })
  t.same(await permit('push', '--policy', file, '--facts'), { code: 0, out: 'There is no difference.', err: '' })
  t.same(await permit('diff', '--policy', file, '--facts', '--prune'), { code: 0, out: 'There is no difference.', err: '' })
  t.match(await permit('pull', '--out', file, '--facts'), { code: 0, err: `${file} is up to date` })
  t.equal(await readFile(file, 'utf8'), POLICY)
})

t.test('a pull keeps comments, order and style of what has not changed', async t => {
  const { permit, file, client } = await world(t)
  await permit('push', '--policy', file, '--facts')
  await client.ask('PATCH', 'schema', '/roles/viewer', { description: 'May read.' })
  await client.ask('POST', 'schema', '/roles', { key: 'auditor', name: 'Auditor', permissions: ['document:read'] })
  await client.ask('DELETE', 'schema', '/resources/document/roles/editor')
  await client.ask('POST', 'facts', '/role_assignments', { user: 'ben', role: 'viewer', tenant: 'acme' })
  await client.ask('DELETE', 'facts', '/users/ann')
  t.match(await permit('pull', '--out', file), { code: 0 })
  const withoutFacts = await readFile(file, 'utf8')
  t.match(withoutFacts, /role: admin, tenant: acme/, 'without --facts, the facts of the file stay')
  t.match(await permit('pull', '--out', file, '--facts'), { code: 0 })
  const text = await readFile(file, 'utf8')
  for (const kept of ['# The policy of the tests.', '# of the wiki', '# Those who may do more.', '# the one', "admin: { extends: [viewer], permissions: ['document:edit'] }"]) {
    t.ok(text.includes(kept), kept)
  }
  for (const changed of ['May read.', 'auditor:', '{ user: ben, role: viewer, tenant: acme }']) t.ok(text.includes(changed), changed)
  t.notMatch(text, /ann|role: editor/)
  t.same(await permit('diff', '--policy', file, '--facts', '--prune'), { code: 0, out: 'There is no difference.', err: '' })
})

t.test('changes name what changes, and deletions need --prune and a confirmation', async t => {
  const { permit, file, edit } = await world(t)
  await permit('push', '--policy', file, '--facts')
  await edit("permissions: ['document:edit'] }", "permissions: ['document:read'], description: Boss }")
  await edit('  ben: { attributes: { department: engineering } }\n', '')
  const { code, out } = await permit('diff', '--policy', file, '--facts')
  t.equal(code, 2)
  t.match(out, /~ change role 'admin' {2}\(.*:22\)\n {4}description: nothing → "Boss"\n {4}permissions: \+ document:read, - document:edit/)
  t.match(out, /Only in the environment; --prune deletes it:\n {2}user 'ben'\n1 to change\./)
  t.match(await permit('push', '--policy', file, '--prune'), { code: 0, out: /^(?!.*ben)/s }, 'without --facts, no user is deleted')
  t.match(await permit('push', '--policy', file, '--facts', '--prune'), { code: 2, err: /Delete 1 object of the environment\? No terminal is attached to confirm it; give --yes/ })
  t.match(await permit('push', '--policy', file, '--facts', '--prune', '--yes'), { code: 0, err: 'Done: 1 delete.' })
  t.same(await permit('diff', '--policy', file, '--facts', '--prune'), { code: 0, out: 'There is no difference.', err: '' })
})

t.test('the plan as JSON has every step, and as Markdown it is a table in which nothing of a name is markup', async t => {
  const { permit, file, edit } = await world(t)
  await edit('  viewer: {', '  viewer: { description: "a | b <img>`x`",')
  const json = JSON.parse((await permit('diff', '--policy', file, '--format', 'json')).out)
  t.match(json, { create: 14, change: 0, steps: [{ op: 'create', kind: 'resource', keys: ['folder'], place: /:3$/ }] })
  t.equal(json.steps.length, json.create)
  await permit('push', '--policy', file)
  await edit('<img>', '<b>')
  const { out } = await permit('diff', '--policy', file, '--format', 'markdown')
  t.match(out, /\| change \| `role 'viewer'` \| ``description: "a \\\| b <img>`x`" → "a \\\| b <b>`x`"`` \| `.*:20` \|/)
})

t.test('an object that cannot be changed is created again with everything that depends on it, and only with --prune', async t => {
  const { permit, file, edit, client } = await world(t)
  await permit('push', '--policy', file, '--facts')
  await edit('relations: { parent: folder }', 'relations: { parent: { name: In, subject_resource: folder } }')
  await edit('key: spec, attributes', 'key: spec, tenant: default, attributes')
  t.match(await permit('push', '--policy', file), { code: 1, err: /^Nothing was changed: some objects must be deleted/ })
  t.match(await permit('push', '--policy', file, '--prune', '--yes'), { code: 1, err: /facts would be deleted, too.*\n {2}relation 'parent' of resource 'document' has relationship tuples/ })
  const { out } = await permit('diff', '--policy', file, '--facts', '--prune')
  t.match(out, /± replace relation 'parent'[^]*\+ create derivation[^]*\+ create relationship/)
  t.match(await permit('push', '--policy', file, '--facts', '--prune', '--yes'), { code: 0 })
  t.same(await permit('diff', '--policy', file, '--facts', '--prune'), { code: 0, out: 'There is no difference.', err: '' })
  t.match(await client.ask('GET', 'schema', '/resources/document/relations/parent'), { name: 'In' })
})

t.test('roles can swap who inherits from whom', async t => {
  const { permit, file, edit } = await world(t)
  await permit('push', '--policy', file)
  await edit("viewer: { permissions: ['document:read'] }", "viewer: { extends: [admin], permissions: ['document:read'] }")
  await edit('admin: { extends: [viewer], ', 'admin: { ')
  t.match(await permit('push', '--policy', file), { code: 0, err: 'Done: 2 change.' })
})

t.test('a push stops at the first failure, says what and where, and goes on when it is run again', async t => {
  const { permit, file, client, app } = await world(t)
  let refused = 0
  app.server.prependListener('request', request => {
    if (request.method === 'POST' && request.url?.endsWith('/condition_sets') === true && refused++ === 0) request.method = 'PUT'
  })
  const { code, err } = await permit('push', '--policy', file)
  t.equal(code, 1)
  t.match(err, /^Cannot create user set 'engineering' \(.*permit\.yaml:24\):\n {2}http:.* answered POST .* with status 405.*\n12 of 14 changes are done/)
  t.match(await client.ask('GET', 'schema', '/roles'), [{ key: 'viewer' }, { key: 'admin' }])
  t.match(await permit('push', '--policy', file), { code: 0, err: 'Done: 2 create.' })
})

t.test('wildcards are pushed as the permissions that they stand for, and a pull keeps them as long as they say the same', async t => {
  const { permit, file, url, edit } = await world(t)
  await edit("permissions: ['document:edit', read]", "permissions: ['*']")
  await edit("extends: [viewer], permissions: ['document:edit'] }", "permissions: ['document:*'] } # everything")
  t.match(await permit('push', '--policy', file), { code: 0 })
  t.match(await permit('diff', '--policy', file), { code: 0 })
  const before = await readFile(file, 'utf8')
  t.match(await permit('pull', '--out', file), { code: 0 })
  t.equal(await readFile(file, 'utf8'), before)
  // The environment has an action more, and its roles do not hold it: the wildcards must not widen them.
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
  const scope = await (await fetch(`${url}/v2/api-key/scope`, { headers })).json() as { project_id: string, environment_id: string }
  const added = await fetch(`${url}/v2/schema/${scope.project_id}/${scope.environment_id}/resources/document/actions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ key: 'shred', name: 'shred' })
  })
  t.equal(added.status, 200, await added.text())
  t.match(await permit('pull', '--out', file), { code: 0 })
  const after = await readFile(file, 'utf8')
  t.match(after, /shred/)
  t.notMatch(after, /permissions: .*\*/)
  t.match(after, /# everything/)
  t.match(await permit('diff', '--policy', file), { code: 0 })
})

t.test('a policy with a word that Permit does not have is refused with its line, by diff and by push, before anything is changed', async t => {
  const { permit, file, edit } = await world(t)
  await edit('{ user.department: { equals: engineering } }', "{ context.ip: { ip_in: '10.0.0.0/8' } }")
  for (const command of ['diff', 'push']) {
    const { code, err } = await permit(command, '--policy', file)
    t.equal(code, 1)
    t.match(err, 'permit.yaml:24: user set \'engineering\' uses \'ip_in\', which only the embedded and the local PDP have')
  }
  await edit("context.ip: { ip_in: '10.0.0.0/8' }", "now.time: { less-than: '18:00' }")
  t.match(await permit('push', '--policy', file), { code: 1, err: "permit.yaml:24: user set 'engineering' uses 'now', which only the embedded" })
  await edit("now.time: { less-than: '18:00' }", 'user.until: { greater-than: { ref: now } }')
  t.match(await permit('push', '--policy', file), { code: 1, err: "user set 'engineering' uses 'now'" })
  await edit('user.until: { greater-than: { ref: now } }', "context.now: { equals: '10.0.0.1' }")
  t.match((await permit('diff', '--policy', file)).code, 2, 'nothing of it was pushed')
  await edit('role: admin, tenant: acme }', "role: admin, tenant: acme, expires_at: '2999-01-31T18:00:00Z' }")
  t.match((await permit('diff', '--policy', file)).code, 2, 'facts are not compared')
  t.match(await permit('push', '--facts', '--policy', file), { code: 1, err: "permit.yaml:33: role 'admin' of user 'ann' uses 'expires_at'" })
})
