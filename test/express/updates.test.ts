// The path at which the PDP reports changes, in Express 5 and 4: who may, what is forgotten, and what is none of its business.
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import type { RequestHandler } from 'express'
import t, { type Test } from 'tap'
import { authzFor, appOf, EXPRESSES, listen, optionsFor } from '../support/express.js'
import { pdpFor } from '../support/app.js'
import { sendFirst } from '../support/sends-first.js'

const SECRET = 'a-secret-of-the-updates'
const about = (user: string) => JSON.stringify({ reports: [{ entry: { dst_path: `/users/${user}` } }] })

for (const [version, express] of EXPRESSES) {
  async function updatedApp (t: Test, before?: RequestHandler) {
    const pdp = await pdpFor(t, { decide: () => true })
    const authz = authzFor(t, optionsFor(pdp, { cache: { ttl: 60_000 }, updates: { path: '/updates', secret: SECRET } }))
    const app = appOf(express)
    if (before !== undefined) app.use(before)
    app.use(authz)
    app.all('/updates', (_request, response) => { response.send('of the app') })
    await authz.ready()
    const { ask, server, url } = await listen(t, app)
    const report = (body: string | undefined, headers: Record<string, string> = { 'x-permit-updates-secret': SECRET }, method = 'POST') =>
      ask('/updates', undefined, { method, body, headers: { 'content-type': 'application/json', ...headers } }).then(({ status }) => status)
    /** Whose decisions are remembered, of ann and bob. */
    const remembered = async () => {
      const sources = []
      for (const user of ['ann', 'bob']) sources.push((await authz.permit.explain(user, 'read', 'task')).source)
      return sources
    }
    await remembered()
    return { authz, report, remembered, ask, server, url }
  }

  t.test(`${version}: a report drops the decisions of the users that it names, whoever has read its body`, async t => {
    for (const [name, parser] of Object.entries({ none: undefined, json: express.json(), raw: express.raw({ type: '*/*' }), text: express.text({ type: '*/*' }) })) {
      const { report, remembered } = await updatedApp(t, parser)
      t.same(await remembered(), ['cache', 'cache'], name)
      t.equal(await report(about('ann')), 204, name)
      const [ann, bob] = await remembered()
      t.equal(ann, 'pdp', name)
      // What a parser has made of it may no longer be readable as a report: then everybody's are forgotten.
      if (name === 'none' || name === 'json') t.equal(bob, 'cache', name)
    }
  })

  t.test(`${version}: without the secret nothing is dropped, and the answer is 401`, async t => {
    const { report, remembered } = await updatedApp(t)
    for (const headers of [{}, { 'x-permit-updates-secret': '' }, { 'x-permit-updates-secret': `${SECRET}x` }, { 'x-permit-updates-secret': `${SECRET}, ${SECRET}` }, { authorization: `Bearer ${SECRET}` }] as Record<string, string>[]) {
      t.equal(await report(about('ann'), headers), 401, JSON.stringify(headers))
    }
    t.same(await remembered(), ['cache', 'cache'])
  })

  t.test(`${version}: other methods and other paths are passed on`, async t => {
    const { report, ask, remembered } = await updatedApp(t)
    t.equal(await report(about('ann'), undefined, 'PUT'), 200)
    t.match(await ask('/updates', undefined, { headers: { 'x-permit-updates-secret': SECRET } }), { status: 200, body: 'of the app' })
    t.equal((await ask('/elsewhere', undefined, { method: 'POST', headers: { 'x-permit-updates-secret': SECRET } })).status, 404)
    t.same(await remembered(), ['cache', 'cache'])
  })

  t.test(`${version}: an invalid report drops everything, one that is too large nothing`, async t => {
    const { report, remembered, server, ask, url } = await updatedApp(t)
    t.equal(await report('{'), 204)
    t.same(await remembered(), ['pdp', 'pdp'])
    t.equal(await report(`"${'x'.repeat(1024 * 1024)}"`), 413)
    for (const [chunked, framing] of [[false, `content-length: ${8 * 1024 * 1024}`], [true, 'transfer-encoding: chunked']] as const) {
      const head = `POST /updates HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-permit-updates-secret: ${SECRET}\r\n${framing}\r\n`
      t.match(await sendFirst(url, head, { size: 8 * 1024 * 1024, chunked }), /^HTTP\/1\.1 413 /, 'also for a client that sends everything before it reads')
    }
    t.same(await remembered(), ['cache', 'cache'])
    // One that breaks off does no harm.
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`POST /updates HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nx-permit-updates-secret: ${SECRET}\r\n\r\n{`)
    await new Promise(resolve => setTimeout(resolve, 20))
    socket.destroy()
    t.equal((await ask('/updates')).status, 200)
    t.same(await remembered(), ['cache', 'cache'])
  })
}
