// What a policy file cannot say of an environment, and URL mapping rules: no push loses any of it, and Permit's SDK sees it.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { permit } from '../cli/in-process.js'
import { sdkFor } from '../sdk/support.js'
import { environmentFor, folderFor, KEY } from './support.js'

const POLICY = `
resources:
  document:
    actions: { read: {}, edit: {} }
    attributes: { secret: { type: bool } }
    action_groups: { all: { actions: [read, edit] } }
    relations: { parent: folder }
    roles:
      editor:
        permissions: [read, edit]
        granted_to: { users_with_role: [{ role: editor, on_resource: folder, linked_by_relation: parent }] }
  folder: { actions: {}, roles: { editor: {} } }
roles:
  viewer: { permissions: ['document:read'] }
  admin: { extends: [viewer], permissions: ['document:edit'] }
user_sets:
  engineering: { conditions: { allOf: [{ user.department: { equals: engineering } }] } }
set_rules:
  - { user_set: engineering, permission: 'document:edit', resource_set: document }
proxy_configs:
  wiki:
    description: Only this file says it.
    mapping_rules:
      - { url: 'https://example.com/documents/{key}', http_method: get, resource: document, action: read }
tenants: { acme: { attributes: { plan: gold } } }
users: { ann: { email: ann@example.com, attributes: { department: engineering } } }
role_assignments:
  - { user: ann, role: admin, tenant: acme }
  - { user: ann, role: editor, resource_instance: 'folder:plans' }
resource_instances: [{ resource: document, key: spec, attributes: { secret: true } }]
relationship_tuples: [{ subject: 'folder:plans', relation: parent, object: 'document:spec' }]
`

const WITH_HEADERS = { url: 'https://example.com/secret', http_method: 'get', resource: 'document', action: 'edit', headers: { 'x-version': '2' } }
const GROUPS = [{ group_instance_key: 'engineers', id: '1' }]
const ELEMENTS = [{ key: 'login', id: '2', name: 'Login' }]

async function fileFor (t: Test) {
  const file = join(await folderFor(t, { 'permit.yaml': POLICY }), 'permit.yaml')
  const edit = async (from: string, to: string): Promise<void> => {
    const text = await readFile(file, 'utf8')
    if (!text.includes(from)) throw new Error(`the file has no ${from}`)
    await writeFile(file, text.replace(from, to))
  }
  return { file, edit }
}

/**
 * Permit's API with groups and Elements, which the local PDP behind it does not have, and with a rule with headers, which a PDP refuses.
 * `writes` has the paths of what is not only read.
 */
async function apiWithGroups (t: Test, pdp: string, { proxyConfigs = true } = {}) {
  const writes: string[] = []
  const bodies: string[] = []
  const server = createServer((request, response) => {
    const handle = async () => {
      const { method = '', url = '', headers } = request
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      if (method !== 'GET') {
        writes.push(`${method} ${url}`)
        bodies.push(Buffer.concat(chunks).toString())
      }
      const own = /^\/v2\/schema\/[^?]*\/groups\?/.test(url) ? GROUPS : /^\/v2\/elements\/[^?]*\/config\?/.test(url) ? ELEMENTS : undefined
      if (own !== undefined) return response.setHeader('content-type', 'application/json').end(JSON.stringify(own))
      if (!proxyConfigs && url.includes('/proxy_configs')) return response.writeHead(403).end()
      const body = url.includes('/proxy_configs') ? withoutHeaders(Buffer.concat(chunks).toString()) : Buffer.concat(chunks)
      const answer = await fetch(pdp + url, {
        method, headers: { authorization: headers.authorization ?? '', 'content-type': 'application/json' }, ...(body.length === 0 ? {} : { body })
      })
      const text = await answer.text()
      const isProxies = method === 'GET' && url.includes('/proxy_configs')
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(isProxies ? withHeaders(text) : text)
    }
    handle().catch(() => response.destroy())
  })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const env = { PERMIT_API_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, PERMIT_API_KEY: KEY }
  return { writes, bodies, command: (...args: string[]) => permit(args, { env }) }
}

function withHeaders (text: string): string {
  return text.replaceAll('"mapping_rules":[{', `"mapping_rules":[${JSON.stringify(WITH_HEADERS)},{`)
}

function withoutHeaders (text: string): string {
  return text.replace(`${JSON.stringify(WITH_HEADERS)},`, '')
}

t.test('Permit\'s SDK sees in the environment what was pushed', async t => {
  const environment = await environmentFor(t)
  const { file } = await fileFor(t)
  t.match(await environment.permit('push', '--policy', file, '--facts'), {
    code: 0, out: /note: proxy configuration 'wiki' is created without a secret: set it in Permit/
  })
  const sdk = sdkFor(environment.url, { token: KEY })
  const { api } = sdk
  t.match(await api.resources.get('document'), { actions: { read: {}, edit: {} }, attributes: { secret: { type: 'bool' } } })
  t.match(await api.actionGroups.get('document', 'all'), { actions: ['edit', 'read'] })
  t.match(await api.resourceRelations.list({ resourceKey: 'document' }), [{ key: 'parent', subject_resource: 'folder' }])
  t.match(await api.resourceRoles.get('document', 'editor'), {
    permissions: ['edit', 'read'], granted_to: { users_with_role: [{ role: 'editor', on_resource: 'folder', linked_by_relation: 'parent' }] }
  })
  t.match(await api.roles.get('admin'), { extends: ['viewer'], permissions: ['document:edit'] })
  t.match(await api.conditionSets.get('engineering'), { type: 'userset', conditions: { allOf: [{ 'user.department': { equals: 'engineering' } }] } })
  t.match(await api.conditionSetRules.list({ userSetKey: 'engineering', permissionKey: 'document:edit', resourceSetKey: '__autogen_document' }), [{ user_set: 'engineering', permission: 'document:edit' }])
  t.match(await api.tenants.get('acme'), { attributes: { plan: 'gold' } })
  t.match(await api.users.get('ann'), { email: 'ann@example.com', attributes: { department: 'engineering' } })
  t.equal((await api.roleAssignments.list({ user: 'ann' })).length, 2)
  t.match(await api.resourceInstances.get('document:spec'), { attributes: { secret: true } })
  t.match(await api.relationshipTuples.list({}), [{ subject: 'folder:plans', relation: 'parent', object: 'document:spec' }])
  t.equal(await sdk.check('ann', 'edit', 'document:spec'), true)
  t.equal(await sdk.check('ben', 'edit', 'document:spec'), false)
})

t.test('groups and Elements are listed and kept in the file, and no push writes to them', async t => {
  const { url } = await environmentFor(t)
  const { writes, command } = await apiWithGroups(t, url)
  const { file, edit } = await fileFor(t)
  t.match(await command('push', '--policy', file, '--facts'), { code: 0, out: /note: group 'engineers' is in the environment, and a policy file cannot express it/ })
  const pulled = await command('pull', '--out', file, '--facts')
  t.match(pulled, { code: 0, err: /warning: a policy file cannot express this[^]*group 'engineers'\n {2}Permit Element 'login'\nWritten to/ })
  t.match(await readFile(file, 'utf8'), /\npermit:\n[^]* {2}groups:\n {4}- key: engineers\n {2}elements:\n {4}- key: login\n {6}name: Login\n/)
  t.match(await command('pull', '--out', file, '--facts'), { err: /is up to date/ })
  await edit("permissions: ['document:edit'] }", 'description: Boss }')
  await edit('users: { ann: { email: ann@example.com, attributes: { department: engineering } } }', 'users: { ann: {} }')
  t.match(await command('push', '--policy', file, '--facts', '--prune', '--yes'), { code: 0 })
  t.ok(writes.some(write => write.includes('/roles/admin')))
  t.same(writes.filter(write => /groups\b(?!.*document)|elements/.test(write.replace('action_groups', ''))), [])
})

t.test('URL mapping rules are pushed; a rule with headers and the secret stay, whatever the file says of the others', async t => {
  const environment = await environmentFor(t)
  const { bodies, command } = await apiWithGroups(t, environment.url)
  const { file, edit } = await fileFor(t)
  t.match(await environment.permit('push', '--policy', file), { code: 0 })
  t.same(await environment.permit('push', '--policy', file), { code: 0, out: 'There is no difference.', err: '' })
  t.match(await environment.permit('pull', '--out', file), { err: `${file} is up to date` }, 'a description stays, although Permit has none')

  await edit('http_method: get, resource: document, action: read }', 'http_method: post, resource: document, action: edit }')
  t.match(await command('push', '--policy', file), { code: 0, out: /~ change proxy configuration 'wiki' {2}\(.*:\d+\)\n {4}mapping_rules:/ })
  t.equal(bodies.length, 1)
  t.match(JSON.parse(bodies[0] ?? ''), { mapping_rules: [WITH_HEADERS, { http_method: 'post', action: 'edit' }] })
  t.notMatch(bodies[0], 'secret":', 'the secret is not written again')
  t.match(await command('pull', '--out', file), { code: 0, err: /the headers of get https:\/\/example\.com\/secret of proxy configuration 'wiki'/ })
  t.match(await environment.permit('diff', '--policy', file), { code: 0 })
})

t.test('a proxy configuration is deleted for a file that has the section, and stays for one that has not', async t => {
  const environment = await environmentFor(t)
  const { file, edit } = await fileFor(t)
  await environment.permit('push', '--policy', file)
  await environment.client.ask('POST', 'facts', '/proxy_configs', { key: 'other', name: 'Other', secret: 'x' })
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/proxy_configs:[^]*?\n(?=tenants)/, ''))
  t.match(await environment.permit('push', '--policy', file, '--prune', '--yes'), {
    code: 0, out: /note: proxy configurations \(other, wiki\) stay as they are: the file has no section 'proxy_configs'/
  })
  await writeFile(file, text)
  await edit('description: Only this file says it.', 'name: Wiki')
  t.match(await environment.permit('push', '--policy', file, '--prune', '--yes'), { code: 0, err: 'Done: 1 change, 1 delete.' })
  t.match(await environment.client.ask('GET', 'facts', '/proxy_configs'), [{ key: 'wiki', name: 'Wiki' }])
})

t.test('with a key that may not read proxy configurations, those of the file stay, and a push leaves those of the environment alone', async t => {
  const { url } = await environmentFor(t)
  const { writes, command } = await apiWithGroups(t, url, { proxyConfigs: false })
  const { file } = await fileFor(t)
  t.match(await command('push', '--policy', file, '--facts', '--prune', '--yes'), { code: 0, out: /note: proxy configurations are not compared and not pushed/ })
  t.same(writes.filter(write => write.includes('proxy')), [])
  t.match(await command('pull', '--out', file, '--facts'), { code: 0 })
  t.match(await readFile(file, 'utf8'), /proxy_configs:\n {2}wiki:\n {4}description: Only this file says it\./)
})
