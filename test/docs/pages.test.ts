// The snippets of the pages that have no test file of their own run, against PDPs that are really asked.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { PermitOptions } from '../../src/index.js'
import { resolveOptions } from '../../src/app/options/resolve.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'
import { folderWith, sourcesOf } from '../support/documents.js'
import '../support/loader.js'

/** What a file of a page exports, where the environment is this. */
async function load<T> (t: Test, page: string, file: string, env: Readonly<Record<string, string>> = {}): Promise<T> {
  Object.assign(process.env, env)
  t.teardown(() => { for (const name of Object.keys(env)) delete process.env[name] })
  const folder = await folderWith(t, await sourcesOf(`docs/${page}.md`))
  return await import(pathToFileURL(join(folder, file)).href) as T
}

async function appOf (t: Test, page: string, file: string, env: Readonly<Record<string, string>>): Promise<FastifyInstance> {
  const { app } = await load<{ app: FastifyInstance }>(t, page, file, env)
  t.teardown(() => app.close())
  return app
}

t.test('an AuthZEN PDP is called as in docs/authzen.md, with its token and without the API key of Permit', async t => {
  const pdp = await authzenPdpFor(t)
  const app = await appOf(t, 'authzen', 'app.ts', { PDP_URL: pdp.url, PDP_TOKEN: 'token-of-the-pdp', PERMIT_API_KEY: 'token-of-permit' })
  const statusOf = async (user?: string) => (await app.inject({ method: 'POST', url: '/tasks', headers: user === undefined ? {} : { 'x-user': user } })).statusCode
  t.same([await statusOf('ann'), await statusOf('eve'), await statusOf()], [200, 403, 401])
  const [request] = pdp.to('/access/v1/evaluation')
  t.equal(request?.headers.authorization, 'Bearer token-of-the-pdp')
  t.match(request?.body, {
    subject: { type: 'user', id: 'ann', properties: { department: 'engineering' } },
    action: { name: 'create' },
    resource: { type: 'task', id: '*', properties: { tenant: 'default' } }
  })
})

t.test('the map in docs/authzen.md does what the page says', async t => {
  const pdp = await authzenPdpFor(t)
  const app = await appOf(t, 'authzen', 'mapped.ts', { PDP_URL: pdp.url })
  t.equal(await app.permit.check('ann', 'create', { type: 'task', tenant: 'acme' }), true)
  t.match(pdp.to('/access/v1/evaluation')[0]?.body, {
    subject: { type: 'identity', id: 'ann' },
    resource: { type: 'task', id: 'any', properties: { organization: 'acme', tenant: undefined } }
  })
})

t.test('the options in docs/resilience.md are valid', async t => {
  const found: Record<string, unknown> = {}
  for (const file of Object.keys(await sourcesOf('docs/resilience.md'))) {
    const { options } = await load<{ options: PermitOptions }>(t, 'resilience', file, { PERMIT_API_KEY: 'a-token' })
    const { origin, cache } = resolveOptions(options, process.env)
    found[file] = { origin, cache }
  }
  t.match(found, {
    'replicas.ts': { origin: { urls: [{ host: 'pdp-a:7766' }, { host: 'pdp-b:7766' }], hedge: false } },
    'stale.ts': { cache: { ttl: 2_000, staleIfError: 60_000 } },
    'hedged.ts': { origin: { hedge: { percentile: 99, min: 10 } } }
  })
})

t.test('the app in docs/freshness.md accepts reports with the secret, and starts without its PDP', async t => {
  const secret = 'the-secret-of-the-updates'
  const app = await appOf(t, 'freshness', 'app.ts', { PERMIT_API_KEY: 'a-token', PERMIT_UPDATES_SECRET: secret })
  const report = async (headers: Record<string, string>) => (await app.inject({ method: 'POST', url: '/permit/updates', headers, payload: { reports: [] } })).statusCode
  t.match(await report({ 'x-permit-updates-secret': secret }), /^20\d$/)
  t.equal(await report({}), 401)
})
