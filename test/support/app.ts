// Apps for tests: a real Fastify with the plugin, asking a fake PDP over a real socket.
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { startFakePdp, type FakePdp, type FakePdpOptions } from './fake-pdp.js'

/** The user is whoever the header says: authentication is not what is tested. */
export const byHeader: NonNullable<PermitOptions['user']> = request => request.headers['x-user'] as string | undefined

/** A fake PDP that goes when the test is over. */
export async function pdpFor (t: Test, options?: FakePdpOptions): Promise<FakePdp> {
  const pdp = await startFakePdp(options)
  t.teardown(() => pdp.close())
  return pdp
}

/** A Fastify that is closed when the test is over. */
export function fastifyFor (t: Test, options: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(options) as FastifyInstance
  t.teardown(() => app.close())
  return app
}

/** Options for a fake PDP; nothing is cached, and each denial counts at once, unless the test says so. */
export function optionsFor (pdp: FakePdp, options: Partial<PermitOptions> = {}): PermitOptions {
  return { pdp: pdp.url, token: pdp.token, user: byHeader, cache: false, readiness: false, ...options }
}

/** An app with the plugin registered, and the PDP that decides: everybody but `eve` may do everything, unless told otherwise. */
export async function guardedApp (t: Test, options: Partial<PermitOptions> = {}, fake: FakePdpOptions = {}, server: FastifyServerOptions = {}) {
  const pdp = await pdpFor(t, { decide: question => question.user.key !== 'eve', ...fake })
  const app = fastifyFor(t, server)
  await app.register(permit, optionsFor(pdp, options))
  return { app, pdp }
}

/** Log lines of an app, parsed. */
export function logSink (level = 'trace') {
  const lines: Record<string, unknown>[] = []
  return {
    lines,
    text: () => lines.map(line => JSON.stringify(line)).join('\n'),
    logger: { level, stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } }
  }
}

/** A promise that somebody else settles. */
export function deferred<T> () {
  let resolve!: (value: T) => void
  const promise = new Promise<T>(_resolve => { resolve = _resolve })
  return { promise, resolve }
}
