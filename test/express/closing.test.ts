// An Express app that was closed leaves nothing. In a file of its own: what is open is counted for the whole process.
import { once } from 'node:events'
import { createServer } from 'node:http'
import t from 'tap'
import { guard, permit } from '../../src/express/index.js'
import { pdpFor } from '../support/app.js'
import { appOf, EXPRESSES, optionsFor, silentLog } from '../support/express.js'
import { open, openAtLast } from '../support/open.js'

for (const [version, express] of EXPRESSES) {
  t.test(`${version}: it closes with its server, and leaves no socket and no timer`, async t => {
    const before = open()
    const pdp = await pdpFor(t, { decide: () => true })
    const authz = permit(optionsFor(pdp, { cache: { ttl: 60_000 }, log: silentLog().log }))
    const app = appOf(express)
    app.use(authz)
    app.get('/', guard('task:read'), (_request, response) => { response.send('in') })
    await authz.ready()
    const server = authz.closeWith(createServer(app).listen(0, '127.0.0.1'))
    await once(server, 'listening')
    await Promise.all(Array.from({ length: 20 }, (_, index) => authz.permit.check('ann', `a${index}`, 'task')))
    t.ok(open().length > before.length, 'there was something to close')
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
    await authz.close()
    await t.rejects(authz.permit.check('ann', 'other', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'closed' } })
    await pdp.close()
    t.same(await openAtLast(before), before)
  })
}
