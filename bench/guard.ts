// What a guard costs by itself: nanoseconds for each call of the hook, without HTTP around it.
import Fastify, { type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify'
import permit, { type Annotation, type PermitOptions } from 'fastify-permit'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { permitPolicy, workload } from './policy.js'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

export interface GuardRow { name: string, nanoseconds: number }

/**
 * Guards whose decision is in the cache, or made in this process, called again and again.
 * @param only - one case by itself, as an app that has but one kind of route runs it
 */
export async function measureGuards (rounds: number, calls: number, only?: string): Promise<GuardRow[]> {
  const pdp = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"allow":true}')
  })
  await new Promise<void>(resolve => pdp.listen(0, '127.0.0.1', resolve))
  const remote: PermitOptions = { pdp: `http://127.0.0.1:${(pdp.address() as AddressInfo).port}`, token: 'bench', cache: { ttl: 3_600_000 } }
  const names = [...workload(1_000, 1).users.keys()]
  let turn = 0

  const cases: Record<string, [PermitOptions, Annotation]> = {
    'hit: one user, constant resource': [{ ...remote, user: () => names[0] }, 'task:read'],
    'hit: 1,000 users, constant resource': [{ ...remote, user: () => names[turn++ % names.length]! }, 'task:read'],
    'hit: template': [{ ...remote, user: () => names[0] }, { action: 'read', resource: 'task:{id}' }],
    'hit: tenant by function': [{ ...remote, user: () => names[0], tenant: () => 'acme' }, 'task:read'],
    'hit: user with attributes': [{ ...remote, user: () => ({ key: names[0]!, attributes: { level: 3, team: 'a' } }) }, 'task:read'],
    'embedded: 1,000 users, constant resource': [{ policy: permitPolicy(workload(1_000, 1)), user: () => names[turn++ % names.length]! }, 'task:read']
  }

  const guards: { name: string, hook: Hook, request: FastifyRequest, reply: FastifyReply, best: number }[] = []
  const apps = []
  for (const [name, [options, annotation]] of Object.entries(cases)) {
    if (only !== undefined && only !== name) continue
    const app = Fastify()
    apps.push(app)
    await app.register(permit, options)
    let route: RouteOptions | undefined
    app.addHook('onRoute', own => { if (own.method === 'GET') route = own })
    let request!: FastifyRequest
    let reply!: FastifyReply
    app.get('/:id', { config: { permit: annotation } }, async (...both) => { [request, reply] = both })
    for (let warm = 0; warm < names.length; warm++) await app.inject('/7')
    guards.push({ name, hook: (route!.preHandler as Hook[]).at(-1)!, request, reply, best: Infinity })
  }

  let passed = 0
  let refusal: Error | undefined
  const done = (error?: Error) => { if (error === undefined) passed++; else refusal = error }
  for (let round = 0; round < rounds; round++) {
    for (const guard of guards) {
      passed = 0
      const start = process.hrtime.bigint()
      for (let call = 0; call < calls; call++) guard.hook(guard.request, guard.reply, done)
      const took = Number(process.hrtime.bigint() - start) / calls
      if (passed !== calls) throw new Error(`${guard.name}: ${calls - passed} of ${calls} did not pass at once`, { cause: refusal })
      // The least is the cost; what is above it is the machine's.
      guard.best = Math.min(guard.best, took)
    }
  }
  for (const app of apps) await app.close()
  pdp.close()
  return guards.map(({ name, best }) => ({ name, nanoseconds: best }))
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { values } = parseArgs({ options: { case: { type: 'string' }, rounds: { type: 'string', default: '20' } } })
  console.table(await measureGuards(Number(values.rounds), 100_000, values.case))
}
