// What an app in NestJS answers where a controller asks, for whichever version: the test of each hands its modules in.
import t, { type Test } from 'tap'
import { permit as expressPermit } from '../../src/express/index.js'
import permit, { type RequestPermit } from '../../src/index.js'
import { pdpFor } from '../support/app.js'
import { silentLog } from '../support/express.js'
import type { FakePdp } from '../support/fake-pdp.js'

type MethodDecoration = (target: object, name: string, descriptor: PropertyDescriptor) => void

/** What the test takes of `@nestjs/common`. */
interface Common {
  Controller (path: string): (target: never) => void
  Get (path: string): MethodDecoration
  Req (): (target: object, name: string, index: number) => void
  Module (parts: { controllers: never[] }): (target: never) => void
}

/** What the test takes of an app, of either adapter. */
export interface NestApp {
  use (...middleware: readonly unknown[]): unknown
  listen (port: number, host: string): Promise<unknown>
  getUrl (): Promise<string>
  close (): Promise<void>
}

/** One version of NestJS. */
export interface Nest {
  readonly common: Common
  /** `@RouteConfig` of the adapter for Fastify. */
  routeConfig (config: object): MethodDecoration
  createOnFastify (module: never): Promise<NestApp & { register (plugin: never, options: object): unknown }>
  createOnExpress (module: never): Promise<NestApp>
}

type Asking = { readonly permit: Pick<RequestPermit, 'assert' | 'check'> }

interface Answer { readonly status: number, readonly body: Record<string, unknown>, readonly retryAfter: string | null }

const user = (request: { headers: Record<string, string | string[] | undefined> }) => request.headers['x-user'] as string | undefined

/** A controller without decorators' syntax, which a test that strips types has not. */
function moduleOf ({ common: { Controller, Get, Module, Req }, routeConfig }: Nest): never {
  class Tasks {
    async assert (request: Asking) {
      await request.permit.assert('create', 'task')
      return { done: true }
    }

    /** Guarded by its config with Fastify, by middleware with Express. */
    async guarded () {
      return { done: true }
    }

    async fallback (request: Asking) {
      return { allowed: await request.permit.check('create', 'task').catch(() => false) }
    }

    async mistake (request: Asking) {
      return { allowed: await request.permit.check('create', 'task', { tennant: 'default' } as never) }
    }
  }
  for (const name of ['assert', 'guarded', 'fallback', 'mistake'] as const) {
    const descriptor = Object.getOwnPropertyDescriptor(Tasks.prototype, name) as PropertyDescriptor
    Get(name)(Tasks.prototype, name, descriptor)
    if (name === 'guarded') routeConfig({ permit: 'task:create' })(Tasks.prototype, name, descriptor)
    Req()(Tasks.prototype, name, 0)
  }
  Controller('tasks')(Tasks as never)
  class App {}
  Module({ controllers: [Tasks as never] })(App as never)
  return App as never
}

type Ask = (path: string, user?: string) => Promise<Answer>

function asking (url: string): Ask {
  return async (path, user) => {
    const answer = await fetch(`${url}/tasks/${path}`, { headers: user === undefined ? {} : { 'x-user': user } })
    return { status: answer.status, body: await answer.json() as Record<string, unknown>, retryAfter: answer.headers.get('retry-after') }
  }
}

const ADAPTERS: Readonly<Record<string, (t: Test, nest: Nest, pdp: FakePdp) => Promise<Ask>>> = {
  async Fastify (t, nest, pdp) {
    const app = await nest.createOnFastify(moduleOf(nest))
    t.teardown(() => app.close())
    await app.register(permit as never, { pdp: pdp.url, token: pdp.token, user, cache: false, retries: 0 })
    await app.listen(0, '127.0.0.1')
    return asking(await app.getUrl())
  },
  async Express (t, nest, pdp) {
    const app = await nest.createOnExpress(moduleOf(nest))
    const authz = expressPermit({ pdp: pdp.url, token: pdp.token, user, cache: false, retries: 0, log: silentLog().log })
    t.teardown(async () => { await app.close(); await authz.close() })
    app.use(authz)
    app.use('/tasks/guarded', authz.guard('task:create'))
    await app.listen(0, '127.0.0.1')
    return asking(await app.getUrl())
  }
}

/** The same for every version and adapter. */
export function testErrors (version: number, nest: Nest): void {
  for (const [adapter, start] of Object.entries(ADAPTERS)) {
    const name = `NestJS ${version} on ${adapter}`

    t.test(`${name}: errors of assert and of a guard in a controller are answered with 401 and 403`, async t => {
      const pdp = await pdpFor(t, { decide: question => question.user.key !== 'eve' })
      const ask = await start(t, nest, pdp)
      for (const path of ['assert', 'guarded']) {
        t.match(await ask(path, 'ann'), { status: 200, body: { done: true }, retryAfter: null })
        t.match(await ask(path, 'eve'), { status: 403, body: { statusCode: 403, message: 'You are not allowed to do this.' }, retryAfter: null }, path)
        t.match(await ask(path), { status: 401, body: { statusCode: 401, message: 'Authentication is required.' }, retryAfter: null }, path)
      }
    })

    t.test(`${name}: no decision is 503 with Retry-After`, async t => {
      const pdp = await pdpFor(t)
      const ask = await start(t, nest, pdp)
      await pdp.close()
      for (const path of ['assert', 'guarded']) t.match(await ask(path, 'ann'), { status: 503, body: { statusCode: 503 }, retryAfter: '1' }, path)
      t.match(await ask('fallback', 'ann'), { status: 200, body: { allowed: false }, retryAfter: null }, 'a controller that does without the decision')
    })

    t.test(`${name}: a mistake in the app's code is a 500 that hides its message`, async t => {
      const ask = await start(t, nest, await pdpFor(t))
      const { status, body } = await ask('mistake', 'ann')
      t.equal(status, 500)
      t.match(body.message, /^internal server error$/i)
    })
  }
}
