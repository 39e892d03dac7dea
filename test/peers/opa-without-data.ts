// A real OPA that is up, has its policy, and gets its data late: it denies everything until then, and nobody believes it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { byHeader, fastifyFor, logSink } from '../support/app.js'
import { freePort } from '../support/free-port.js'

/** AuthZEN by OPA's own API: below `/v0/data`, the path of a request is that of a rule, its body the input, and the rule's value the answer. */
const POLICY = `
package access.v1
import rego.v1

evaluation := decision(input)
evaluations := {"evaluations": [decision(object.union(object.remove(input, ["evaluations", "options"]), item)) | some item in input.evaluations]}

decision(asked) := {"decision": true} if allowed(asked)
decision(asked) := {"decision": false} if not allowed(asked)

allowed(asked) if {
  some role in data.facts.roles[asked.subject.id][asked.resource.properties.tenant]
  asked.action.name in data.facts.permissions[role]
}
`

/** What OPA says of itself at /health/ready. */
const HEALTH = `
package system.health
import rego.v1

ready if data.facts.roles
`

const FACTS = {
  roles: { 'ada@example.com': { acme: ['editor'] }, 'bob@example.com': { acme: ['viewer'] } },
  permissions: { editor: ['create', 'read'], viewer: ['read'] }
}

/** OPA with its policy and without data. */
async function opa (t: Test, port: number) {
  const folder = await mkdtemp(join(tmpdir(), 'opa-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'authzen.rego'), POLICY)
  await writeFile(join(folder, 'health.rego'), HEALTH)
  const child = spawn(process.env['OPA'] ?? 'opa', ['run', '--server', '--addr', `127.0.0.1:${port}`, '--disable-telemetry', '--log-level', 'error', folder], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended.catch(() => {})
  }
  t.teardown(kill)
  const url = `http://127.0.0.1:${port}`
  const isUp = () => fetch(`${url}/health`).then(answer => answer.ok, () => false)
  while (!await isUp()) {
    if (child.exitCode !== null) throw new Error(`OPA ended with ${child.exitCode}`)
  }
  const load = async (): Promise<void> => {
    const answer = await fetch(`${url}/v1/data/facts`, { method: 'PUT', body: JSON.stringify(FACTS) })
    if (!answer.ok) throw new Error(`OPA does not take its data: ${answer.status}`)
  }
  return { url, load, kill }
}

async function appFor (t: Test, url: string, options: Partial<PermitOptions> = {}) {
  const log = logSink()
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, {
    pdp: `${url}/v0/data`,
    authzen: { discovery: false, tenants: 'properties' },
    readiness: '/health/ready',
    timeout: 5_000,
    cache: { ttl: 3_600_000 },
    user: byHeader,
    tenant: () => 'acme',
    ...options
  })
  app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'a document')
  app.post('/documents', { config: { permit: 'document:create' } }, async () => 'created')
  await app.ready()
  const read = async (user: string, id: string) => (await app.inject({ url: `/documents/${id}`, headers: { 'x-user': `${user}@example.com` } })).statusCode
  const create = async (user: string) => (await app.inject({ method: 'POST', url: '/documents', headers: { 'x-user': `${user}@example.com` } })).statusCode
  return { app, read, create, lines: () => log.lines.filter(({ level }) => (level as number) >= 40) }
}

/** Asks until the answer is as wanted. */
async function until (ask: () => Promise<number>, wanted: number): Promise<void> {
  const start = performance.now()
  while (await ask() !== wanted) {
    if (performance.now() - start > 20_000) throw new Error(`not ${wanted} after 20 s`)
  }
}

const everybody = ['ada', 'bob', 'eve']

t.test('an OPA that has not loaded its data allows nothing, denies nothing, says so, and is used as soon as it has', async t => {
  const { url, load } = await opa(t, await freePort())
  const { app, read, create, lines } = await appFor(t, url)
  t.match(lines(), [{ level: 40, msg: /is not ready\. The app starts anyway/, permit: { failure: 'unready', reason: /\/health\/ready has status 500/ } }], 'the log says so at boot')
  t.match(await app.permit.health(), { ok: false, reason: /not ready/ })
  const answers = async () => (await Promise.all(everybody.flatMap(user => [create(user), ...['1', '2', '3'].map(id => read(user, id))])))
  t.same(new Set(await answers()), new Set([503]), 'in a burst')
  for (const user of everybody) t.same([await create(user), await read(user, '1')], [503, 503], 'and alone')
  await t.rejects(app.permit.check('eve@example.com', 'read', { type: 'document', key: '1', tenant: 'acme' }), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'unready' } })

  await load()
  await until(() => create('ada'), 200)
  // A yes counts at once, beside others, too; a no when the health was asked again, at most ten times a second.
  t.match(await answers(), [200, 200, 200, 200, Number, 200, 200, 200, Number, Number, Number, Number])
  await until(() => create('eve'), 403)
  t.same(await answers(), [200, 200, 200, 200, 403, 200, 200, 200, 403, 403, 403, 403], 'nothing of before was cached')
  t.match(await app.permit.health(), { ok: true })
})

t.test('an OPA that restarts under load, and gets its data late, denies nobody wrongly; without readiness it does', async t => {
  for (const readiness of ['/health/ready', false] as const) {
    const port = await freePort()
    const first = await opa(t, port)
    await first.load()
    const { read, create } = await appFor(t, first.url, { readiness, breaker: { halfOpenAfter: 20 } })
    t.same([await create('ada'), await create('bob'), await create('eve')], [200, 403, 403])
    const seen: Record<string, Set<number>> = { ada: new Set(), eve: new Set() }
    const clock = { running: true }
    const client = async (user: string, name: string) => {
      for (let index = 0; clock.running; index++) {
        seen[user]!.add(await read(user, `${name}-${index}`))
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    const clients = Promise.all(['ada', 'eve'].flatMap(user => ['a', 'b', 'c', 'd'].map(name => client(user, name))))
    await until(() => read('ada', 'before'), 200)
    await first.kill()
    await until(() => read('ada', `while it is away ${Math.random()}`), 503)
    const second = await opa(t, port)
    // Whatever is asked now is asked of an empty OPA: without readiness, its answer is a denial.
    let count = 0
    const asksOf = () => read('ada', `while it is empty ${count++}`)
    if (readiness === false) await until(asksOf, 403)
    else for (let index = 0; index < 100; index++) t.equal(await asksOf(), 503)
    await second.load()
    await until(() => read('ada', `with its data ${count++}`), 200)
    clock.running = false
    await clients
    await until(() => create('eve'), 403)
    t.same([await create('ada'), await create('bob')], [200, 403])
    t.same([...seen['eve']!].sort(), [403, 503], 'nobody was let in')
    t.same([...seen['ada']!].sort(), readiness === false ? [200, 403, 503] : [200, 503])
    await second.kill()
  }
})
