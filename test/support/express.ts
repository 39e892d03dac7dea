// Express apps for tests, of both versions: real servers on real sockets.
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express5 from 'express'
import express4 from 'express4'
import type { Test } from 'tap'
import { permit, type ExpressPermit, type PermitOptions } from '../../src/express/index.js'
import type { FakePdp, FakePdpOptions } from './fake-pdp.js'
import { pdpFor } from './app.js'

export type Express = typeof express5
export type Answer = { readonly status: number, readonly body: string, readonly headers: Headers }
export type Ask = (path: string, user?: string, init?: RequestInit) => Promise<Answer>

export const EXPRESSES: ReadonlyArray<readonly [name: string, express: Express]> = [
  ['Express 5', express5],
  ['Express 4', express4]
]

/** The user is whoever the header says. */
export const byHeader: NonNullable<PermitOptions['user']> = request => request.headers['x-user'] as string | undefined

/** A log that keeps its lines, and stays silent. */
export function silentLog () {
  const lines: Array<{ level: string, message: string, details: Record<string, unknown> }> = []
  const at = (level: string) => (details: object, message: string) => { lines.push({ level, message, details: { ...details } }) }
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

/** `permit(options)` that is closed when the test is over. */
export function authzFor (t: Test, options: PermitOptions): ExpressPermit {
  const authz = permit({ log: silentLog().log, ...options })
  t.teardown(() => authz.close())
  return authz
}

export function optionsFor (pdp: FakePdp, options: Partial<PermitOptions> = {}): PermitOptions {
  return { pdp: pdp.url, token: pdp.token, user: byHeader, cache: false, ...options }
}

/** An Express that prints no stacks. */
export function appOf (express: Express) {
  const app = express()
  app.set('env', 'test')
  return app
}

/** An app with permit in use: everybody but `eve` may do everything, unless told otherwise. */
export async function guardedApp (t: Test, express: Express, options: Partial<PermitOptions> = {}, fake: FakePdpOptions = {}) {
  const pdp = await pdpFor(t, { decide: question => question.user.key !== 'eve', ...fake })
  const authz = authzFor(t, optionsFor(pdp, options))
  const app = appOf(express)
  app.use(authz)
  return { app, authz, pdp }
}

export async function listen (t: Test, app: RequestListener): Promise<{ url: string, ask: Ask, server: Server }> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask: Ask = async (path, user, init = {}) => {
    const headers = { ...init.headers as Record<string, string>, ...(user === undefined ? {} : { 'x-user': user }) }
    const answer = await fetch(url + path, { redirect: 'manual', ...init, headers })
    return { status: answer.status, body: await answer.text(), headers: answer.headers }
  }
  return { url, ask, server }
}
