// What an Express app asks an AuthZEN PDP at boot: a question of its guards, as far as they are known before a request.
import t, { type Test } from 'tap'
import { guard, permit, type PermitOptions } from '../../src/express/index.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'

async function pdpFor (t: Test, status = 200) {
  return authzenPdpFor(t, {
    answersProbes: true,
    intercept ({ url }, response) {
      if (!url.endsWith('/evaluation') || status === 200) return false
      const text = '{"message":"relation \'document#share\' not found"}'
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
      return true
    }
  })
}

function authzFor (t: Test, options: PermitOptions) {
  const errors: string[] = []
  const log = { debug () {}, info () {}, warn () {}, error (_details: object, message: string) { errors.push(message) } }
  const authz = permit({ protocol: 'authzen', user: () => 'ann', timeout: 10_000, log: log as never, ...options })
  t.teardown(() => authz.close())
  return { authz, errors }
}

t.test('the only permit() of a process asks about a guard(), and says what the PDP said', async t => {
  // First in this file: a later permit() is not the only one.
  const pdp = await pdpFor(t, 400)
  const { authz, errors } = authzFor(t, { pdp: pdp.url })
  guard({ action: 'share', resource: 'document:{id}' })
  await authz.ready()
  t.match(pdp.to('/access/v1/evaluation').map(({ body }) => body), [{ subject: { id: 'fastify-permit-probe' }, action: { name: 'share' }, resource: { type: 'document', id: 'fastify-permit-probe' } }])
  t.match(errors, [/cannot answer "document:share".*400.*document#share/])
  t.match(await authz.permit.health(), { ok: false, reason: /document#share/ })
})

t.test('each of several permit() asks about its own guards only', async t => {
  const [first, second, third] = [await pdpFor(t), await pdpFor(t), await pdpFor(t)]
  guard('folder:list')
  const asking = authzFor(t, { pdp: first.url })
  asking.authz.guard('document:create')
  const silent = authzFor(t, { pdp: second.url })
  const named = authzFor(t, { pdp: third.url, authzen: { probe: { action: 'read', resource: 'folder:root' } } })
  named.authz.guard('document:create')
  await Promise.all([asking, silent, named].map(({ authz }) => authz.ready()))
  const asked = [first, second, third].map(pdp => pdp.to('/access/v1/evaluation').map(({ body }) => (body as { action: { name: string } }).action.name))
  t.same(asked, [['create'], [], ['read']])
  t.same([...asking.errors, ...silent.errors, ...named.errors], [])
  t.match(await asking.authz.permit.health(), { ok: true })
})

t.test('a guard about a type for which nothing stands does not let the app become ready', async t => {
  const pdp = await pdpFor(t)
  const { authz, errors } = authzFor(t, { pdp: pdp.url, authzen: { tenants: 'ids' } })
  authz.guard('document:create')
  await t.rejects(authz.ready(), { code: 'FST_PERMIT_ANNOTATION', message: /guard\(\) cannot be asked: it is about the whole type "document"/ })
  t.match(errors, [/could not start/])
})
