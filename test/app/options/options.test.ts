// What the options accept, fill in and complain about.
import t from 'tap'
import { resolveOptions } from '../../../src/app/options/resolve.js'
import { fastifyFor } from '../../support/app.js'
import permit from '../../../src/index.js'

const pdp = 'http://localhost:7766'
const token = 'permit_key_secret'
const STORE = '01HVMMBCMGZNT3SED4Z17ECXCA'

t.test('the defaults are the documented ones', async t => {
  const { origin, cache, timeout, tenant } = resolveOptions({ pdp, token }, {})
  t.match(origin, {
    kind: 'pdp', urls: [new URL(pdp)], token, connections: 32, queue: 2000, batch: 100, retries: 1, breaker: { failures: 5, halfOpenAfter: 500 }, hedge: false
  })
  t.same(cache, { ttl: 2000, max: 50_000 })
  t.equal(timeout, 1500)
  t.equal(tenant, undefined)
})

t.test('pdp and token default to the environment; explicit options take precedence', async t => {
  const env = { PERMIT_PDP_URL: 'http://env:1', PERMIT_API_KEY: 'env-key' }
  t.match(resolveOptions({}, env).origin, { kind: 'pdp', urls: [new URL('http://env:1')], token: 'env-key' })
  t.match(resolveOptions({ pdp, token }, env).origin, { urls: [new URL(pdp)], token })
  t.match(resolveOptions({ pdp: undefined, policy: undefined }, env).origin, { urls: [new URL('http://env:1')] })
  t.same(resolveOptions({ policy: './permit.yaml' }, env).origin, { kind: 'policy', policy: './permit.yaml' })
})

t.test('several PDPs can be given in an array or separated by commas', async t => {
  const urls = [new URL('http://a:7766'), new URL('https://b/prefix')]
  t.match(resolveOptions({ pdp: ['http://a:7766', 'https://b/prefix'], token }, {}).origin, { urls })
  t.match(resolveOptions({ pdp: 'http://a:7766,https://b/prefix', token }, {}).origin, { urls })
  t.match(resolveOptions({}, { PERMIT_PDP_URL: 'http://a:7766, https://b/prefix', PERMIT_API_KEY: token }).origin, { urls })
})

t.test('retries, breaker and hedging can be turned off and on', async t => {
  t.match(resolveOptions({ pdp, token, retries: 0, breaker: false, hedge: {} }, {}).origin, { retries: 0, breaker: false, hedge: { percentile: 99, min: 10 } })
  t.match(resolveOptions({ pdp, token, breaker: { failures: 2 }, hedge: { percentile: 90, min: 1 } }, {}).origin, {
    breaker: { failures: 2, halfOpenAfter: 500 }, hedge: { percentile: 90, min: 1 }
  })
  t.same(resolveOptions({ pdp, token, cache: { staleIfError: 60_000 } }, {}).cache, { ttl: 2000, max: 50_000, staleIfError: 60_000 })
})

t.test('a PDP with AuthZEN needs no token, and does not get the API key of Permit', async t => {
  const env = { PERMIT_PDP_URL: 'http://env:1', PERMIT_API_KEY: 'env-key' }
  const none = { token: undefined, batch: 50, authzen: { discovery: true, map: undefined } }
  t.match(resolveOptions({ pdp, protocol: 'authzen' }, {}).origin, { kind: 'pdp', urls: [new URL(pdp)], ...none })
  t.match(resolveOptions({ protocol: 'authzen' }, env).origin, { urls: [new URL('http://env:1')], ...none })
  t.match(resolveOptions({ pdp, protocol: 'authzen', token, authzen: { discovery: false } }, env).origin, { token, authzen: { discovery: false } })
  t.match(resolveOptions({ pdp, token, protocol: 'permit' }, {}).origin, { token, authzen: undefined })
  t.throws(() => resolveOptions({ pdp: ['http://a/one', 'http://b/two'], protocol: 'authzen' }, {}), { code: 'FST_PERMIT_OPTIONS', message: /different paths/ })
})

t.test('the embedded PDP has no cache by default', async t => {
  t.equal(resolveOptions({ policy: './p.yaml' }, {}).cache, false)
  t.same(resolveOptions({ policy: './p.yaml', cache: {} }, {}).cache, { ttl: 2000, max: 50_000 })
  t.same(resolveOptions({ pdp, token, cache: { ttl: 5 } }, {}).cache, { ttl: 5, max: 50_000 })
  t.equal(resolveOptions({ pdp, token, cache: false }, {}).cache, false)
})

t.test("Fastify's own options of register are accepted", async t => {
  t.ok(resolveOptions({ pdp, token, prefix: '/x', logLevel: 'info', logSerializers: {} }, {}))
})

const WRONG: [object | undefined | null | string, RegExp][] = [
  [undefined, /the options are undefined; expected an object/],
  [{}, /neither option "pdp" \(nor PERMIT_PDP_URL\) nor option "policy"/],
  [{ pdp, token, policy: './p.yaml' }, /both options "pdp" and "policy"/],
  [{ pdp }, /option "token" is missing, and so is PERMIT_API_KEY/],
  [{ pdp: 7, token }, /option "pdp" is 7; expected an http\(s\) URL/],
  [{ pdp: '', token }, /option "pdp" is an empty string; expected an http\(s\) URL/],
  [{ pdp: [], token }, /option "pdp" is an array; expected/],
  [{ pdp: [pdp, 7], token }, /option "pdp.1" is 7; expected an http\(s\) URL/],
  [{ pdp: [pdp, pdp], token }, /option "pdp" contains the same URL twice/],
  [{ pdp: `${pdp}, ftp://x`, token }, /option "pdp" cannot be used/],
  [{ pdp, token, retries: 11 }, /option "retries" is 11; expected an integer from 0 to 10/],
  [{ pdp, token, breaker: true }, /option "breaker" is true; expected false or \{ failures\?, halfOpenAfter\? \}/],
  [{ pdp, token, breaker: { failures: 0 } }, /option "breaker.failures" is 0; expected an integer/],
  [{ pdp, token, breaker: { after: 5 } }, /option "breaker.after" is not known; expected one of failures, halfOpenAfter/],
  [{ pdp, token, hedge: { percentile: 100 } }, /option "hedge.percentile" is 100; expected a number from 50 to 99.9/],
  [{ pdp, token, cache: { staleIfError: 0 } }, /option "cache.staleIfError" is 0; expected milliseconds/],
  [{ pdp, token, cache: { ttl: 100, staleIfError: 100 } }, /option "cache.staleIfError" is 100; expected more than cache.ttl, which is 100/],
  [{ pdp: 'localhost:7766', token }, /option "pdp" cannot be used; expected an http\(s\) URL/],
  [{ pdp: 'ftp://x', token }, /option "pdp" cannot be used/],
  [{ pdp: 'http://me:hunter2@x', token }, /option "pdp" cannot be used/],
  [{ pdp: 'http://x/?a=1', token }, /option "pdp" cannot be used/],
  [{ pdp, token: 7 }, /option "token" is 7; expected a string/],
  [{ pdp, token: 'a b' }, /option "token" is a string that cannot be used/],
  [{ pdp, token: '' }, /option "token" is an empty string/],
  [{ pdp, token: 'a\r\nx-evil: 1' }, /option "token" is a string that cannot be used/],
  [{ pdp, token, user: 'ann' }, /option "user" is a string that cannot be used; expected a function/],
  [{ pdp, token, tenant: 'default' }, /option "tenant" is a string that cannot be used; expected a function/],
  [{ pdp, token, cache: true }, /option "cache" is true; expected false or \{ ttl\?, max\?, staleIfError\? \}/],
  [{ pdp, token, cache: { ttl: -1 } }, /option "cache.ttl" is -1; expected milliseconds, an integer from 1/],
  [{ pdp, token, cache: { ttl: '2s' } }, /option "cache.ttl" is a string/],
  [{ pdp, token, cache: { max: 0 } }, /option "cache.max" is 0/],
  [{ pdp, token, cache: { tll: 5 } }, /option "cache.tll" is not known; expected one of ttl, max, staleIfError; did you mean "ttl"\?/],
  [{ pdp, token, timeout: 0 }, /option "timeout" is 0; expected milliseconds/],
  [{ pdp, token, timeout: 1.5 }, /option "timeout" is 1.5/],
  [{ pdp, token, timeout: Infinity }, /option "timeout" is Infinity/],
  [{ pdp, token, timeuot: 5 }, /option "timeuot" is not known; expected one of pdp, policy, token.*; did you mean "timeout"\?/],
  [{ pdp, token, connections: 0 }, /option "connections" is 0/],
  [{ pdp, token, batch: 1_001 }, /option "batch" is 1001/],
  [{ pdp, token, queue: -1 }, /option "queue" is -1/],
  [{ pdp, protocol: 'AuthZEN' }, /option "protocol" is a string that cannot be used; expected 'permit' or 'authzen'/],
  [{ policy: './p.yaml', protocol: 'authzen' }, /both options "policy" and "protocol"/],
  [{ pdp, token, protocol: 'permit', authzen: {} }, /option "authzen" is given with protocol: 'permit'; expected one of them/],
  [{ policy: './p.yaml', authzen: {} }, /option "authzen" is given with option "policy"; expected one of them/],
  [{ pdp, protocol: 'permit' }, /option "token" is missing/],
  [{ pdp, protocol: 'authzen', authzen: true }, /option "authzen" is true; expected 'openfga', 'cerbos', 'permit', or \{ preset\?/],
  [{ pdp, protocol: 'authzen', authzen: { map: {} } }, /option "authzen.map" is an object; expected a function/],
  [{ pdp, protocol: 'authzen', authzen: { discovery: 'no' } }, /option "authzen.discovery" is a string that cannot be used; expected true or false/],
  [{ pdp, protocol: 'authzen', authzen: { mapping: 7 } }, /option "authzen.mapping" is not known; expected one of preset, store, model, ids, tenants/],
  [{ pdp, authzen: 'opanfga' }, /option "authzen" is a string that cannot be used; expected 'openfga', 'cerbos', 'permit'/],
  [{ pdp, authzen: 'openfga' }, /option "authzen.store" is missing; expected authzen: \{ preset: 'openfga', store/],
  [{ pdp: `${pdp}/stores/${STORE}`, authzen: { preset: 'openfga', store: STORE } }, /"authzen.store" is given, and option "pdp" has a store in its path/],
  [{ pdp: 'unix:/run/fga.sock', authzen: { preset: 'openfga', store: STORE } }, /a Unix socket, which has no path for the store/],
  [{ pdp, authzen: { preset: 'openfga', store: 'acme' } }, /option "authzen.store" is a string that cannot be used; expected the id of a store/],
  [{ pdp, authzen: { store: STORE } }, /option "authzen.store" is given without preset: 'openfga'/],
  [{ pdp, authzen: { preset: 'cerbos', model: STORE } }, /option "authzen.model" is given without preset: 'openfga'/],
  [{ pdp, authzen: {}, tenant: () => 'acme' }, /option "tenant" is given, and option "authzen.tenants" does not say where the tenant goes/],
  [{ pdp, protocol: 'authzen', tenant: () => 'acme' }, /option "tenant" is given, and option "authzen.tenants" does not say where the tenant goes/],
  [{ pdp, authzen: { tenants: 'map' } }, /option "authzen.tenants" is 'map', and there is no option "authzen.map"/],
  [{ pdp, authzen: { tenants: 'relation' } }, /option "authzen.tenants" is a string that cannot be used; expected 'properties', 'ids', 'map', \{ context/],
  [{ pdp, authzen: { ids: 'base64' } }, /option "authzen.ids" is a string that cannot be used; expected 'encode' or \{ write, read \}/],
  [{ pdp, authzen: { ids: { write: String } } }, /option "authzen.ids.*expected/],
  [{ pdp, authzen: { types: { document: 'root' } } }, /"authzen.types" has for "document" "root"; expected 'type:id', such as 'folder:root'/],
  [{ pdp, authzen: { types: { document: 'a:b:c' } } }, /"authzen.types" has for "document" "a:b:c"; expected 'type:id'/],
  [{ pdp, authzen: { types: { document: '{tenant}:x' } } }, /expected \{type\} before the colon and \{tenant\} after it, each at most once/],
  [{ pdp, authzen: { types: { document: 'x:{tenant}{tenant}' } } }, /each at most once, and no other braces/],
  [{ pdp, authzen: { types: { document: { resource: 'x:y', action: '{verb}' } } } }, /expected \{type\} and \{action\}/],
  [{ pdp, authzen: { types: { '*': 'folder:root' } } }, /for all other types "folder:root"; expected \{type\} in it or in its action/],
  [{ pdp, authzen: { tenants: 'ids', types: { document: 'folder:root' } } }, /expected \{tenant\} in the id, because a permission in one tenant would be one in every other/]
]

t.test('a wrong option is named with its value and what is expected, and the app does not start', async t => {
  for (const [options, message] of WRONG) {
    t.throws(() => resolveOptions(options, {}), { code: 'FST_PERMIT_OPTIONS', message }, String(message))
  }
  const app = fastifyFor(t)
  app.register(permit, { pdp, token, timeout: -5 })
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_OPTIONS', message: /option "timeout" is -5/ })
})

t.test('no error message quotes the token or a password', async t => {
  for (const options of [
    { pdp, token: 'hunter2 ' }, { pdp: 'http://me:hunter2@x', token }, { pdp, token: ['hunter2'] }, { pdp, token: 'hunter2', policy: 'x' }, { pdp: new URL('http://me:hunter2@x'), token }, { pdp: ['http://me:hunter2@x'], token }, { pdp, token, cache: 'hunter2' }, 'hunter2', { pdp, token: 'hunter2', timeout: 0 }
  ]) {
    try {
      resolveOptions(options as never, {})
      t.fail('expected an error')
    } catch (error) {
      t.notMatch(`${(error as Error).message} ${(error as Error).stack}`, /hunter2/)
    }
  }
  t.throws(() => resolveOptions({ pdp }, { PERMIT_API_KEY: 'hunter2\n' }), { message: /^(?!.*hunter2).*PERMIT_API_KEY/ })
})

t.test('a client of a Redis Cluster is refused as a bus, and a client of one node is not', async t => {
  const { Redis, Cluster } = await import('ioredis')
  const { createClient, createCluster } = await import('redis')
  const clusters = [new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true }), createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] })]
  for (const client of clusters) {
    for (const bus of [client, { client }]) {
      t.throws(() => resolveOptions({ pdp, token, bus: bus as never }, {}), /is a client of a Redis Cluster, which is not supported/)
    }
  }
  t.equal(resolveOptions({ pdp, token, bus: new Redis({ lazyConnect: true }) as never }, {}).bus?.target.kind, 'ioredis')
  t.equal(resolveOptions({ pdp, token, bus: createClient() as never }, {}).bus?.target.kind, 'node-redis')
})
