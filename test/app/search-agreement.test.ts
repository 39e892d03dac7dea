// Searches agree with check, one by one, in random worlds: nothing is listed that check denies, and nothing is missed.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type AppPermit, type PermitOptions, type Policy } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { ACTIONS, policy as anyPolicy, TENANTS, TYPES, USERS } from '../engine/arbitraries.js'
import { fastifyFor } from '../support/app.js'

const KEYS = ['1', 'a:b', '3']
const BETWEEN_RUNS = { teardown: () => {} } as never as Test

interface World { readonly permit: AppPermit, close (): Promise<void> }

async function worldOf (options: PermitOptions): Promise<World> {
  const app = fastifyFor(BETWEEN_RUNS)
  await app.register(permit, { cache: false, timeout: 20_000, ...options })
  await app.ready()
  return { permit: app.permit, close: async () => { await app.close() } }
}

/** A local PDP; as Permit's container, it has no calls of its own. */
async function pdpWith (policy: Policy, isContainer = false) {
  const pdp = createLocalPdp({ policy, token: 'secret' })
  if (isContainer) pdp.addHook('onRequest', async (request, reply) => request.url.startsWith('/fastify-permit/') ? reply.code(404).send({ detail: 'Not Found' }) : undefined)
  return { url: await pdp.listen({ port: 0 }), close: () => pdp.close() }
}

/** What is listed, and what check says of every candidate. */
async function compare (permit: AppPermit, policy: Policy, seen: { listed: number, asked: number }, options: { conditions?: 'none' } = {}, resources = true): Promise<void> {
  const known = Object.keys(policy.users ?? {})
  const differ = (what: unknown, listed: string[], expected: string[]) => {
    seen.listed += listed.length
    seen.asked++
    if (new Set(listed).size !== listed.length) throw new Error(`twice: ${JSON.stringify({ what, listed })}`)
    if (JSON.stringify([...listed].sort()) !== JSON.stringify([...expected].sort())) throw new Error(JSON.stringify({ what, listed, expected }))
  }
  const allowed = async (candidates: readonly string[], ask: (candidate: string) => Promise<boolean>) => {
    const answers = await Promise.all(candidates.map(ask))
    return candidates.filter((_, index) => answers[index])
  }
  for (const type of TYPES) {
    for (const tenant of TENANTS) {
      const stored = (policy.resource_instances ?? []).filter(instance => instance.resource === type && (instance.tenant ?? 'default') === tenant).map(({ key }) => key)
      for (const user of [...USERS, 'never synced']) {
        if (resources) {
          differ({ user, type, tenant }, (await permit.searchResources(user, 'read', type, { tenant, ...options }).toArray()).map(({ key }) => key),
            await allowed(stored, key => permit.check(user, 'read', { type, key, tenant })))
        }
        const key = KEYS[seen.asked % 4]
        const resource = { type, tenant, ...(key === undefined ? {} : { key }) }
        differ({ user, resource }, await permit.searchActions(user, resource, options).toArray(), await allowed(ACTIONS, action => permit.check(user, action, resource)))
      }
      for (const key of [undefined, ...KEYS]) {
        const resource = { type, tenant, ...(key === undefined ? {} : { key }) }
        differ({ resource }, await permit.searchUsers('write', resource, options).toArray(), await allowed(known, user => permit.check(user, 'write', resource)))
      }
    }
  }
}

async function compareTenants (permit: AppPermit, policy: Policy): Promise<void> {
  const same = (what: unknown, listed: string[], expected: string[]) => {
    if (JSON.stringify([...new Set(listed)].sort()) !== JSON.stringify([...new Set(expected)].sort())) throw new Error(JSON.stringify({ what, listed, expected }))
  }
  const tenantsOf = (user: string) => [...new Set((policy.role_assignments ?? []).filter(each => each.user === user && each.resource_instance === undefined).map(({ tenant = 'default' }) => tenant))]
  for (const user of Object.keys(policy.users ?? {})) {
    same(user, await permit.tenants(user).toArray(), tenantsOf(user))
    for (const resource of [TYPES[0]!, `${TYPES[0]!}:1`]) {
      const expected: string[] = []
      for (const tenant of tenantsOf(user)) if (await permit.check(user, 'read', resource, { tenant })) expected.push(tenant)
      same({ user, resource }, await permit.tenants(user, { action: 'read', resource, context: { optimized: true } }).toArray(), expected)
    }
  }
}

/** Somebody may read all of a type, and somebody else some instances: so no count of a test is a matter of luck. */
const CERTAIN: Policy = {
  resources: Object.fromEntries(TYPES.map(type => [type, {
    actions: Object.fromEntries(ACTIONS.map(action => [action, {}])),
    roles: { viewer: { permissions: [...ACTIONS] } }
  }])),
  roles: { admin: { permissions: TYPES.flatMap(type => ACTIONS.map(action => `${type}:${action}`)) } },
  tenants: { t1: {} },
  users: { u1: {}, u2: {} },
  resource_instances: TYPES.flatMap(resource => [{ resource, key: '1', tenant: 'default' }, { resource, key: '3', tenant: 't1' }]),
  role_assignments: [
    { user: 'u1', role: 'admin', tenant: 'default' },
    ...TYPES.map(type => ({ user: 'u2', role: 'viewer', tenant: 't1', resource_instance: `${type}:3` }))
  ]
}

for (const [name, runs, open] of [
  ['the embedded PDP', 40, async (policy: Policy) => worldOf({ policy })],
  ['the local PDP over Permit\'s wire', 8, async (policy: Policy) => over(await pdpWith(policy), {})],
  ['the local PDP over AuthZEN', 8, async (policy: Policy) => over(await pdpWith(policy), { protocol: 'authzen', authzen: { tenants: 'properties' } })]
] as const) {
  t.test(`a search over ${name} finds what check allows`, async t => {
    const seen = { listed: 0, asked: 0 }
    await fc.assert(fc.asyncProperty(anyPolicy, async policy => {
      const world = await open(policy)
      try {
        await compare(world.permit, policy, seen)
        if (!name.includes('AuthZEN')) await compareTenants(world.permit, policy)
      } finally {
        await world.close()
      }
    }), { numRuns: runs, examples: [[CERTAIN]] })
    t.comment(JSON.stringify(seen))
    t.ok(seen.listed > 0, `${seen.listed} results in ${seen.asked} searches`)
  })
}

t.test("a search over Permit's container finds what roles allow, or is an error where a role allows all instances", async t => {
  const seen = { listed: 0, asked: 0 }
  let refused = 0
  await fc.assert(fc.asyncProperty(anyPolicy, async loose => {
    const { set_rules: _rules, ...policy } = loose
    const world = await over(await pdpWith(policy, true), {})
    try {
      await compare(world.permit, policy, seen, { conditions: 'none' }, false)
      await compareTenants(world.permit, policy)
      for (const user of USERS) {
        for (const tenant of TENANTS) {
          const type = TYPES[0]!
          const mayAll = await world.permit.check(user, 'read', type, { tenant })
          const search = world.permit.searchResources(user, 'read', type, { tenant, conditions: 'none' }).toArray()
          if (mayAll) {
            const error = await search.then(() => undefined, (error: unknown) => error)
            t.match(error, { code: 'FST_PERMIT_SEARCH', message: /does not list all of them.*plan\(\)/ })
            refused++
            continue
          }
          for (const { resource, key, tenant: own = 'default' } of policy.resource_instances ?? []) {
            if (resource !== type || own !== tenant) continue
            const listed = (await search).some(found => found.key === key)
            if (listed !== await world.permit.check(user, 'read', { type, key, tenant })) throw new Error(JSON.stringify({ user, tenant, key, listed }))
          }
        }
      }
    } finally {
      await world.close()
    }
  }), { numRuns: 6, examples: [[CERTAIN]] })
  t.ok(seen.listed > 0 && refused > 0, `${seen.listed} results, ${refused} refused`)
})

async function over (pdp: { url: string, close: () => Promise<unknown> }, options: Partial<PermitOptions>): Promise<World> {
  const world = await worldOf({ pdp: pdp.url, token: 'secret', ...options } as PermitOptions)
  return { permit: world.permit, close: async () => { await world.close(); await pdp.close() } }
}
