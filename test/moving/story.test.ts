// From the laptop to the cloud: an app on the embedded PDP, a push, the same app on a PDP over the network, and the same answers.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import permit, { type PermitOptions, type ShadowDifference } from '../../src/index.js'
import { permit as command } from '../cli/in-process.js'
import { environmentFor, folderFor, KEY } from './support.js'

const USERS = Array.from({ length: 40 }, (_, index) => `user${index}`)
const DOCUMENTS = Array.from({ length: 60 }, (_, index) => `d${index}`)
const TENANTS = ['default', 'acme', 'initech']

const POLICY = `
resources:
  folder: { actions: { open: {} }, roles: { editor: { permissions: [open] } } }
  document:
    actions: { read: {}, edit: {}, share: {} }
    attributes: { secret: { type: bool } }
    relations: { parent: folder }
    roles:
      owner: { permissions: [read, edit, share] }
      editor:
        permissions: [read, edit]
        granted_to: { users_with_role: [{ role: editor, on_resource: folder, linked_by_relation: parent }] }
roles:
  viewer: { permissions: ['document:read'] }
  admin: { extends: [viewer], permissions: ['document:edit'] }
user_sets:
  engineering: { conditions: { allOf: [{ user.department: { equals: engineering } }] } }
resource_sets:
  open-documents: { resource: document, conditions: { allOf: [{ resource.secret: { equals: false } }] } }
set_rules:
  - { user_set: engineering, permission: 'document:share', resource_set: open-documents }
tenants: { acme: {}, initech: {} }
users: {${USERS.map((user, index) => `${user}: { attributes: { department: ${index % 3 === 0 ? 'engineering' : 'sales'} } }`).join(', ')}}
role_assignments: [${USERS.flatMap((user, index) => [
  `{ user: ${user}, role: ${index % 2 === 0 ? 'viewer' : 'admin'}, tenant: ${TENANTS[index % 3]} }`,
  `{ user: ${user}, role: ${index % 4 === 0 ? 'owner' : 'editor'}, resource_instance: 'document:d${index}' }`,
  ...(index % 5 === 0 ? [`{ user: ${user}, role: editor, resource_instance: 'folder:f${index % 4}' }`] : [])
]).join(', ')}]
resource_instances: [${DOCUMENTS.map((key, index) => `{ resource: document, key: ${key}, attributes: { secret: ${index % 2 === 0} } }`).join(', ')}]
relationship_tuples: [${DOCUMENTS.map((key, index) => `{ subject: 'folder:f${index % 4}', relation: parent, object: 'document:${key}' }`).join(', ')}]
`

/** Questions that are random and the same in each run: a linear congruential generator. */
function questions (count: number) {
  let state = 7
  const pick = <T>(items: readonly T[]): T => items[(state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) % items.length] as T
  return Array.from({ length: count }, () => ({
    user: pick([...USERS, 'nobody']),
    action: pick(['read', 'edit', 'share']),
    resource: { type: 'document', key: pick([...DOCUMENTS, 'none']), tenant: pick(TENANTS) }
  }))
}

async function appFor (t: Test, options: PermitOptions) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, options as never)
  await app.ready()
  return app.permit
}

async function idle (stats: () => { shadow?: { inFlight: number, asked: number } }, asked: number): Promise<void> {
  while (stats().shadow!.inFlight > 0 || stats().shadow!.asked < asked) await new Promise(resolve => setImmediate(resolve))
}

t.test('an app moves from the embedded PDP to one over the network, and 10,000 answers stay the same', async t => {
  const folder = await folderFor(t, { 'permit.yaml': POLICY })
  const policy = join(folder, 'permit.yaml')
  const environment = await environmentFor(t)
  const embedded = await appFor(t, { policy, timeout: 20_000 })
  t.match(await environment.permit('push', '--policy', policy, '--facts'), { code: 0 })
  const remote = await appFor(t, { pdp: environment.url, token: KEY, cache: false, timeout: 20_000 })

  const asked = questions(10_000)
  const here = await embedded.bulkCheck(asked)
  const there: boolean[] = []
  for (let from = 0; from < asked.length; from += 500) there.push(...await remote.bulkCheck(asked.slice(from, from + 500)))
  t.same(there, here)
  const allowed = here.filter(Boolean).length
  t.ok(allowed > 1_000 && allowed < 9_000, `${allowed} of 10,000 are allowed`)

  await t.test('the shadow finds no difference, and then the one that is planted', async t => {
    const found: ShadowDifference[] = []
    const shadowed = await appFor(t, {
      policy, timeout: 20_000, shadow: { pdp: environment.url, token: KEY, max: 10_000, report: (difference: ShadowDifference) => { found.push(difference) } }
    })
    const some = asked.slice(0, 1_000)
    t.same(await shadowed.bulkCheck(some), here.slice(0, 1_000))
    await idle(() => shadowed.stats(), 1_000)
    t.match(shadowed.stats().shadow, { asked: 1_000, same: 1_000, different: 0, failed: 0, skipped: 0 })

    await environment.client.ask('POST', 'facts', '/role_assignments', { user: 'user1', role: 'owner', resource_instance: 'document:d2' })
    const planted = { user: 'user1', action: 'share', resource: { type: 'document', key: 'd2' } }
    t.equal(await shadowed.check(planted.user, planted.action, planted.resource), false, 'the policy decides')
    await idle(() => shadowed.stats(), 1_001)
    t.match(shadowed.stats().shadow, { same: 1_000, different: 1 })
    t.match(found, [{ user: 'user1', action: 'share', resource: 'document:d2', tenant: 'default', allow: false, shadow: { allow: true } }])
  })

  await t.test('a replay of the decisions finds what a new policy changes, and for whom', async t => {
    const log = join(folder, 'audit.ndjson')
    const lines = asked.slice(0, 300).map(({ user, action, resource }, index) =>
      JSON.stringify({ level: 30, kind: 'check', user, action, resource: `document:${resource.key}`, tenant: resource.tenant, allow: here[index] }))
    await writeFile(log, ['not JSON', '{"kind":"plan"}', ...lines].join('\n'))
    const same = await command(['replay', '--log', log, '--policy', policy])
    t.match(same, { code: 0, out: /^note: 2 lines were skipped: .*\nAll 300 decisions would be the same\.$/ })
    await writeFile(join(folder, 'new.yaml'), POLICY.replace("admin: { extends: [viewer], permissions: ['document:edit'] }", 'admin: { extends: [viewer] }'))
    const changed = await command(['replay', '--log', log, '--policy', join(folder, 'new.yaml'), '--json'])
    t.equal(changed.code, 1)
    const { different, differences } = JSON.parse(changed.out)
    t.ok(different > 0)
    t.ok(differences.every(({ action, was }: { action: string, was: boolean }) => action === 'edit' && was))
  })
})

t.test('a shadow that does not answer changes nothing, and is counted', async t => {
  const policy = join(await folderFor(t, { 'permit.yaml': POLICY }), 'permit.yaml')
  const app = await appFor(t, { policy, timeout: 2_000, shadow: { pdp: 'http://127.0.0.1:9', token: KEY, max: 2 } })
  const asked = questions(10)
  t.equal((await app.bulkCheck(asked)).length, 10)
  await idle(() => app.stats(), 1)
  const { asked: count, failed, skipped } = app.stats().shadow!
  t.equal(failed, count)
  t.equal(count + skipped, 10)
})

t.test('mistakes in the option stop the app and name what to change', async t => {
  for (const [shadow, message] of [
    [{}, /option "shadow" has neither "pdp" nor "policy"/],
    [{ pdp: 'http://a', policy: {} }, /option "shadow" has both "pdp" and "policy"/],
    [{ pdp: 'ftp://a', token: 'x' }, /option "shadow.pdp" cannot be used/],
    [{ policy: {}, token: 'x' }, /option "shadow.token" is given with "shadow.policy"/],
    [{ policy: {}, sample: 2 }, /sample/]
  ] as const) {
    await t.rejects(appFor(t, { policy: {}, shadow } as never), { code: 'FST_PERMIT_OPTIONS', message })
  }
})
