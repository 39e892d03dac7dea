// Proxy configurations by the REST API: what is written there decides about URLs, and no secret is kept.
import t from 'tap'
import { pdpFor, TOKEN } from '../support.js'
import type { Policy } from '../../../src/index.js'

const policy: Policy = {
  resources: { page: { actions: { read: {}, post: {} } } },
  roles: { visitor: { permissions: ['page:read'] } },
  users: { vic: {} },
  role_assignments: [{ user: 'vic', role: 'visitor' }],
  proxy_configs: { old: { mapping_rules: [{ url: 'https://app.example/old', http_method: 'get', resource: 'page', action: 'read' }] } }
}
const BASE = '/v2/facts/default/default/proxy_configs'
const rule = (path: string, more: object = {}) => ({ url: `https://app.example${path}`, http_method: 'get', resource: 'page', action: 'read', ...more })

t.test('mapping rules that are written by the API decide, until they are changed or deleted', async t => {
  const { url } = await pdpFor(t, { policy, token: TOKEN })
  const call = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const response = await fetch(url + path, { method, headers: body === undefined ? { authorization: headers.authorization } : headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) as Record<string, unknown>, text }
  }
  const isAllowed = async (path: string) =>
    (await call('POST', '/allowed_url', { user: { key: 'vic' }, http_method: 'get', url: `https://app.example${path}`, tenant: 'default' })).body?.['allow']

  t.match((await call('GET', BASE)).body, [{ key: 'old', name: 'old', mapping_rules: [rule('/old')], id: String }])
  t.equal(await isAllowed('/new'), false)
  const made = await call('POST', BASE, { key: 'new', name: 'New', secret: 'hush-hush', auth_mechanism: 'Bearer', mapping_rules: [rule('/new', { url_type: null })] })
  t.match(made, { status: 200, body: { key: 'new', name: 'New', mapping_rules: [rule('/new')], id: String, environment_id: String, created_at: String } })
  t.equal(await isAllowed('/new'), true)
  t.equal((await call('POST', BASE, { key: 'new', name: 'Again' })).status, 409)

  const id = String(made.body?.['id'])
  t.match((await call('GET', `${BASE}/${id}`)).body, { key: 'new' }, 'by its id, too')
  t.match((await call('PATCH', `${BASE}/new`, { mapping_rules: [rule('/newer')] })).body, { name: 'New', id, mapping_rules: [rule('/newer')] })
  t.same([await isAllowed('/new'), await isAllowed('/newer'), await isAllowed('/old')], [false, true, true])
  t.notMatch((await call('GET', BASE)).text + made.text, 'hush-hush')

  t.equal((await call('DELETE', `${BASE}/new`)).status, 204)
  t.same([await isAllowed('/newer'), (await call('GET', `${BASE}/new`)).status, (await call('DELETE', `${BASE}/new`)).status], [false, 404, 404])
})

t.test('a rule that cannot be carried out changes nothing', async t => {
  const { url } = await pdpFor(t, { policy, token: TOKEN })
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  for (const wrong of [rule('/x', { resource: 'nothing' }), rule('/x', { headers: { a: 'b' } }), rule('/{', {}), { ...rule('/x'), http_method: 7 }, rule('/x', { more: 1 })]) {
    const { status } = await fetch(url + BASE, { method: 'POST', headers, body: JSON.stringify({ key: 'wrong', name: 'Wrong', mapping_rules: [wrong] }) })
    t.equal(status, 422, JSON.stringify(wrong))
  }
  t.equal(((await (await fetch(url + BASE, { headers: { authorization: headers.authorization } })).json()) as object[]).length, 1)
})
