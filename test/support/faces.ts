// Every face of the plugin in front of one policy: `request.permit` and `app.permit` of Fastify, and of Express.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Test } from 'tap'
import { permit as expressPermit } from '../../src/express/index.js'
import permit, { type Policy, type RequestPermit } from '../../src/index.js'
import { byHeader, fastifyFor } from './app.js'
import { byHeader as byExpressHeader, silentLog } from './express.js'

/** An app of each framework, and what it gives a request by the user `ann`. The requests' faces stay usable after their answers. */
export async function facesFor (t: Test, policy: Policy) {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader })
  const request = new Promise<RequestPermit>(resolve => { app.get('/', async ({ permit }) => { resolve(permit as RequestPermit); return 'ok' }) })
  await app.inject({ url: '/', headers: { 'x-user': 'ann' } })

  const authz = expressPermit({ policy, user: byExpressHeader, log: silentLog().log })
  const expressApp = express()
  expressApp.use(authz)
  const expressRequest = new Promise<RequestPermit>(resolve => { expressApp.get('/', (request, response) => { resolve(request.permit as never); response.end() }) })
  const server = createServer(expressApp).listen(0, '127.0.0.1')
  t.teardown(async () => { server.close(); await authz.close() })
  await once(server, 'listening')
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers: { 'x-user': 'ann', connection: 'close' } })
  return { app, request, authz, expressRequest }
}
