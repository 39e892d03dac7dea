// One variant of the guarded app in a process of its own: what stands between a request and its handler differs, nothing else.
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import permit, { type PermitOptions } from 'fastify-permit'
import { Pool } from 'undici'
import { permitPolicy, workload } from './policy.js'

const [variant = 'bare', pdp = '', setting = '{}'] = process.argv.slice(2)
const { users = 1_000, hits = 1 } = JSON.parse(setting) as { users?: number, hits?: number }
const require = createRequire(import.meta.url)
const names = [...workload(users, 1).users.keys()]

/** Somebody else for each request. */
let turn = 0
const nextUser = () => names[turn++ % names.length]!
/** A user who was never there before for a share of the requests, the same one for the rest. */
let fresh = 0
const byHits = () => Math.random() < hits ? names[0]! : `fresh${fresh++}`

const handler = async () => ({ hello: 'world' })
const annotated = { config: { permit: 'task:read' } }
const remote: PermitOptions = { pdp, token: 'bench', timeout: 10_000 }

const VARIANTS: Record<string, (app: FastifyInstance) => Promise<void>> = {
  async bare (app) {
    app.get('/', handler)
  },
  async 'hook' (app) {
    app.get('/', { preHandler: (_request, _reply, done) => done() }, handler)
  },
  async 'permit: warm cache' (app) {
    await app.register(permit, { ...remote, user: () => names[0], cache: { ttl: 3_600_000 } })
    app.get('/', annotated, handler)
  },
  async 'permit: warm cache, many users' (app) {
    await app.register(permit, { ...remote, user: nextUser, cache: { ttl: 3_600_000 } })
    app.get('/', annotated, handler)
  },
  async 'permit: no cache' (app) {
    await app.register(permit, { ...remote, user: nextUser, cache: false })
    app.get('/', annotated, handler)
  },
  async 'permit: some hits' (app) {
    await app.register(permit, { ...remote, user: byHits, cache: { ttl: 3_600_000 } })
    app.get('/', annotated, handler)
  },
  async 'permit: embedded' (app) {
    await app.register(permit, { policy: permitPolicy(workload(users, 1)), user: nextUser })
    app.get('/', annotated, handler)
  },
  async 'undici pool in a hook' (app) {
    const pool = new Pool(pdp, { connections: 32 })
    const headers = { authorization: 'Bearer bench', 'content-type': 'application/json' }
    app.get('/', {
      preHandler: async (_request, reply) => {
        const body = JSON.stringify({ user: { key: nextUser() }, action: 'read', resource: { type: 'task', tenant: 'default' }, context: {} })
        const answer = await pool.request({ method: 'POST', path: '/allowed', headers, body })
        const { allow } = await answer.body.json() as { allow: boolean }
        if (allow !== true) return reply.code(403).send()
      }
    }, handler)
  },
  async 'undici pool in a hook, a batch for each turn' (app) {
    // No more than it takes: no deadline, no bound, nothing shared, and an answer is believed as it comes.
    const pool = new Pool(pdp, { connections: 32 })
    const headers = { authorization: 'Bearer bench', 'content-type': 'application/json' }
    let waiting: (() => void)[] = []
    const ask = async () => {
      const asked = waiting
      waiting = []
      const body = JSON.stringify(asked.map(() => ({ user: { key: nextUser() }, action: 'read', resource: { type: 'task', tenant: 'default' }, context: {} })))
      const answer = await pool.request({ method: 'POST', path: '/allowed/bulk', headers, body })
      const { allow } = await answer.body.json() as { allow: { allow: boolean }[] }
      asked.forEach((go, index) => { if (allow[index]?.allow === true) go() })
    }
    app.get('/', { preHandler: (_request, _reply, done) => { if (waiting.push(done) === 1) setImmediate(ask) } }, handler)
  },
  async 'permitio SDK in a hook' (app) {
    const { Permit } = require('permitio') as { Permit: unknown }
    const sdk = new (Permit as unknown as new (config: object) => { check (user: string, action: string, resource: string): Promise<boolean> })({ pdp, token: 'bench', log: { level: 'silent' } })
    app.get('/', {
      preHandler: async (_request, reply) => {
        if (!await sdk.check(nextUser(), 'read', 'task')) return reply.code(403).send()
      }
    }, handler)
  },
  async 'casbin (fastify-casbin-rest)' (app) {
    const { newModelFromString, StringAdapter } = await import('casbin')
    const model = newModelFromString('[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n[role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act')
    const { roles, users: roleOf } = workload(users, 1)
    const lines = [
      ...[...roles].flatMap(([role, permissions]) => permissions.map(permission => `p, ${role}, ${permission.split(':').join(', ')}`)),
      'p, reader, task, read',
      ...[...roleOf].flatMap(([user, role]) => [`g, ${user}, ${role}`, `g, ${user}, reader`])
    ]
    await app.register(require('fastify-casbin'), { model, adapter: new StringAdapter(lines.join('\n')) })
    await app.register(require('fastify-casbin-rest'))
    app.get('/', { casbin: { rest: { getSub: () => nextUser(), getObj: () => 'task', getAct: () => 'read' } } } as never, handler)
  },
  async 'fastify-guard (roles in the request)' (app) {
    await app.register(require('fastify-guard'))
    app.decorateRequest('user', null as never)
    app.addHook('onRequest', (request, _reply, done) => {
      (request as { user?: unknown }).user = { role: ['reader'] }
      done()
    })
    app.get('/', { preHandler: [(app as unknown as { guard: { role (role: string): never } }).guard.role('reader')] }, handler)
  },
  async '@casl/ability (one ability for a user)' (app) {
    const { defineAbility } = await import('@casl/ability')
    const abilities = new Map(names.map(name => [name, defineAbility(can => { can('read', 'task') })]))
    app.get('/', {
      preHandler: async (_request, reply) => {
        if (!abilities.get(nextUser())!.can('read', 'task')) return reply.code(403).send()
      }
    }, handler)
  }
}

const app = Fastify()
await VARIANTS[variant]!(app)
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: (app.server.address() as AddressInfo).port })
// How much of the processor this process has had, µs, for whoever asks.
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.on('disconnect', () => process.exit())
