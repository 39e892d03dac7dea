// The behaviours of the matrix: what a guard does, whatever the framework and whoever decides.
import type { Test } from 'tap'
import type { Permit } from '../../src/app/app-permit.js'
import type { StartedDecisionPoint } from './decision-points.js'
import type { MatrixRoute } from './frameworks.js'

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Headers
}

/** One cell's app, with its cache on. */
export interface Cell {
  readonly decisionPoint: StartedDecisionPoint
  readonly permit: Permit
  /** Asks in the name of a user, in a tenant. */
  ask (path: string, user?: string, tenant?: string): Promise<Answer>
  /** How often a handler has run. */
  ran (): number
}

/** `false`: the decision point cannot do that, and nothing was tested. */
export interface Behaviour {
  readonly name: string
  run (t: Test, cell: Cell): Promise<void | false>
}

const retrieveOne = { action: 'retrieve', resource: 'task:{id}' } as const

export const routes: readonly MatrixRoute[] = [
  { path: '/public', requires: false, handle: async () => 'public' },
  { path: '/create', requires: 'task:create', handle: async () => 'created' },
  { path: '/list', requires: 'task:list', handle: async () => 'listed' },
  { path: '/tasks/:id', requires: retrieveOne, handle: async request => request.params },
  { path: '/any', requires: { anyOf: ['task:create', 'task:list'] }, handle: async () => 'any' },
  { path: '/all', requires: { allOf: ['task:create', 'task:list'] }, handle: async () => 'all' },
  { path: '/by-function', requires: async request => request.headers['x-what'] === 'create' ? 'task:create' : 'task:list', handle: async () => 'function' },
  { path: '/in-tenant2', requires: { action: 'list', resource: 'task', tenant: () => 'tenant2' }, handle: async () => 'tenant2' },
  { path: '/mistake', requires: () => { throw new Error('mine') }, handle: async () => 'mistake' },
  { path: '/check', requires: false, handle: request => request.permit.check('create', 'task') },
  { path: '/assert', requires: false, handle: async request => { await request.permit.assert('create', 'task'); return 'asserted' } },
  { path: '/filter', requires: false, handle: request => request.permit.filter('retrieve', ['6', '7', '8'], key => ({ type: 'task', key })) },
  {
    path: '/bulk',
    requires: false,
    handle: request => request.permit.bulkCheck([{ action: 'create', resource: 'task' }, { action: 'list', resource: 'task' }, { action: 'retrieve', resource: 'task:7' }])
  }
]

async function isRefused (t: Test, cell: Cell, status: number, code: string, ...asked: Parameters<Cell['ask']>): Promise<Answer> {
  const before = cell.ran()
  const answer = await cell.ask(...asked)
  const name = asked.join(' ')
  t.equal(answer.status, status, name)
  t.match(answer.body, { statusCode: status, code, message: String }, name)
  // Fastify adds the status's own name.
  t.same(Object.keys(answer.body as object).filter(key => !['statusCode', 'code', 'message', 'error'].includes(key)), [], 'and it does not say why')
  t.notMatch(JSON.stringify(answer.body), /no_permission|denial|cause|ECONN|127\.0\.0\.1|role/)
  t.equal(cell.ran(), before, `${name}: no handler ran`)
  return answer
}

export const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: 'allow: 200',
    async run (t, { ask }) {
      t.match(await ask('/create', 'ann'), { status: 200, body: 'created' })
      t.match(await ask('/create', 'tess', 'tenant2'), { status: 200 })
    }
  },
  {
    name: 'deny: 403, without why',
    async run (t, cell) {
      for (const user of ['vic', 'eve', 'new@example.com']) await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/create', user)
    }
  },
  {
    name: 'nobody: 401',
    async run (t, cell) {
      for (const path of ['/create', '/tasks/7', '/any', '/by-function']) await isRefused(t, cell, 401, 'FST_PERMIT_UNAUTHENTICATED', path)
    }
  },
  {
    name: 'a public route',
    async run (t, { ask }) {
      t.match(await ask('/public'), { status: 200, body: 'public' })
    }
  },
  {
    name: 'a template',
    async run (t, cell) {
      t.match(await cell.ask('/tasks/7', 'eve'), { status: 200, body: { id: '7' } })
      t.match(await cell.ask('/tasks/%37', 'eve'), { status: 200, body: { id: '7' } })
      for (const path of ['/tasks/8', '/tasks/77', '/tasks/7%20', '/tasks/7%00']) await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', path, 'eve')
    }
  },
  {
    name: 'the tenant by a function',
    async run (t, cell) {
      t.equal((await cell.ask('/list', 'tess', 'tenant2')).status, 200)
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/list', 'tess')
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/list', 'ann', 'tenant2')
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/list', 'ann', 'nowhere')
      t.equal((await cell.ask('/in-tenant2', 'tess')).status, 200, 'the annotation wins')
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/in-tenant2', 'ann', 'default')
    }
  },
  {
    name: 'anyOf and allOf',
    async run (t, cell) {
      t.equal((await cell.ask('/any', 'vic')).status, 200)
      t.equal((await cell.ask('/all', 'ann')).status, 200)
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/all', 'vic')
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/any', 'eve')
    }
  },
  {
    name: 'a function as annotation',
    async run (t, cell) {
      t.match(await cell.ask('/by-function', 'vic'), { status: 200, body: 'function' })
      await isRefused(t, cell, 403, 'FST_PERMIT_FORBIDDEN', '/by-function', 'eve')
      const before = cell.ran()
      t.equal((await cell.ask('/mistake', 'ann')).status, 500)
      t.equal(cell.ran(), before)
    }
  },
  {
    name: 'check and assert',
    async run (t, { ask }) {
      t.match(await ask('/check', 'ann'), { status: 200, body: true })
      t.match(await ask('/check', 'vic'), { status: 200, body: false })
      t.match(await ask('/check'), { status: 401, body: { code: 'FST_PERMIT_UNAUTHENTICATED' } })
      t.match(await ask('/assert', 'ann'), { status: 200, body: 'asserted' })
      t.match(await ask('/assert', 'vic'), { status: 403, body: { code: 'FST_PERMIT_FORBIDDEN' } })
    }
  },
  {
    name: 'filter and bulkCheck',
    async run (t, { ask }) {
      t.match(await ask('/filter', 'ann'), { status: 200, body: ['6', '7', '8'] })
      t.match(await ask('/filter', 'eve'), { status: 200, body: ['7'] })
      t.match(await ask('/bulk', 'ann'), { body: [true, true, true] })
      t.match(await ask('/bulk', 'vic'), { body: [false, true, true] })
      t.match(await ask('/bulk', 'eve'), { body: [false, false, true] })
      t.same((await ask('/filter', 'new@example.com')).body, [])
      t.equal((await ask('/filter')).status, 401)
    }
  },
  {
    name: 'cache and invalidate',
    async run (t, { ask, permit }) {
      const sourceOf = async () => (await permit.explain('ann', 'retrieve', 'task:cached')).source
      t.equal((await ask('/tasks/cached', 'ann')).status, 200)
      t.equal(await sourceOf(), 'cache')
      permit.invalidate('vic')
      t.equal(await sourceOf(), 'cache')
      for (const user of ['ann', undefined]) {
        permit.invalidate(user)
        t.not(await sourceOf(), 'cache')
        t.equal(await sourceOf(), 'cache')
      }
    }
  },
  {
    name: 'write, then check',
    async run (t, { ask, permit, decisionPoint }) {
      if (!decisionPoint.writes) return false
      t.equal((await ask('/create', 'wes')).status, 403)
      await permit.write(permit.api.syncUser({ key: 'wes', roles: [{ role: 'editor', tenant: 'default' }] }))
      t.equal((await ask('/create', 'wes')).status, 200, 'the next request sees it')
      await permit.write(permit.api.unassignRole('wes', 'editor', 'default'))
      t.equal((await ask('/create', 'wes')).status, 403)
    }
  },
  {
    // The last one: there is no PDP after it.
    name: 'the PDP is gone: 503, Retry-After',
    async run (t, cell) {
      const { vanish } = cell.decisionPoint
      if (vanish === undefined) return false
      t.equal((await cell.ask('/tasks/remembered', 'ann')).status, 200)
      await vanish()
      t.equal((await cell.ask('/tasks/remembered', 'ann')).status, 200, 'what is remembered is still known')
      cell.permit.invalidate()
      for (const path of ['/create', '/tasks/remembered', '/any', '/all', '/by-function']) {
        const answer = await isRefused(t, cell, 503, 'FST_PERMIT_UNAVAILABLE', path, 'ann')
        t.equal(answer.headers.get('retry-after'), '1')
      }
      t.equal((await cell.ask('/filter', 'ann')).status, 503)
      t.equal((await cell.ask('/create')).status, 401, 'nobody is 401 without a PDP, too')
      t.equal((await cell.ask('/public')).status, 200, 'and a public route needs none')
      t.equal((await cell.permit.health()).ok, false)
    }
  }
]
