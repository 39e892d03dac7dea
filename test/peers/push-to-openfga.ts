// A policy that moves to a real OpenFGA has the same answers there, behind the plugin.
import Fastify from 'fastify'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { toPredicate } from '../../src/lists/predicate.js'
import { permit as command } from '../cli/in-process.js'
import { folderFor } from '../moving/support.js'
import { worldOf, type Question } from '../moving/openfga/worlds.js'
import { openfga, storeOf } from './openfga-server.js'

t.setTimeout(300_000)

/** How many questions are compared at least. */
const QUESTIONS = 10_000

/** Worlds with derivations, exclusions and cycles. */
const SEEDS = [39, 23, 51, 19, 8, 48, 43, 27]

async function appFor (t: Test, options: PermitOptions) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, options as never)
  await app.ready()
  return app.permit
}

async function answers (app: Awaited<ReturnType<typeof appFor>>, questions: readonly Question[]): Promise<boolean[]> {
  const all: boolean[] = []
  for (let from = 0; from < questions.length; from += 500) {
    all.push(...await app.bulkCheck(questions.slice(from, from + 500).map(({ user, action, type, key, tenant }) =>
      ({ user, action, resource: { type, tenant, ...(key === undefined ? {} : { key }) } }))))
  }
  return all
}

/** Pairs of plans and of searches that are compared in each world. */
const LISTS = 60

/** What both say of the same lists, as texts: the keys that a plan has of those in questions, and what searches find. */
async function lists (embedded: Awaited<ReturnType<typeof appFor>>, remote: typeof embedded, questions: readonly Question[]): Promise<Record<string, [string[], string[]]>> {
  const keys = [...new Set(questions.flatMap(({ key }) => key ?? []))]
  const ofTypes = questions.filter(({ key }) => key === undefined)
  const found: Record<string, [string[], string[]]> = { plans: [[], []], resources: [[], []], users: [[], []], actions: [[], []] }
  const every = Math.max(1, Math.floor(ofTypes.length / LISTS))
  for (const [index, { user, action, type, tenant }] of ofTypes.entries()) {
    if (index % every !== 0) continue
    for (const [place, app] of [embedded, remote].entries()) {
      const note = (what: string, list: readonly string[]) => found[what]![place]!.push(`${user} ${action} ${type} ${tenant}: ${[...list].sort().join(' | ')}`)
      const plan = await app.plan(user, action, type, { tenant })
      const rows = keys.map(key => ({ key, tenant }))
      note('plans', rows.filter(toPredicate(plan)).map(({ key }) => key))
      note('resources', (await app.searchResources(user, action, type, { tenant }).toArray()).map(({ key }) => key))
      const key = keys[index % keys.length]!
      note('users', (await app.searchUsers(action, { type, key, tenant }).toArray()).filter(found => found !== 'stranger'))
      // Relations with a slash are those of roles. No action of a policy has one.
      note('actions', (await app.searchActions(user, { type, key, tenant }).toArray()).filter(found => !found.includes('/')))
    }
  }
  return found
}

t.test(`${QUESTIONS} questions about random policies are answered alike by the embedded PDP and by OpenFGA`, { timeout: 300_000 }, async t => {
  const { url } = await openfga(t)
  let asked = 0
  let allowed = 0
  for (const seed of SEEDS) {
    if (asked >= QUESTIONS) break
    const { policy, questions } = worldOf(seed)
    const file = join(await folderFor(t, { 'permit.json': JSON.stringify(policy) }), 'permit.json')
    const store = await storeOf(url)
    const pushed = await command(['push', '--policy', file, '--to', 'openfga', '--store', store, '--facts'], { env: { FGA_API_URL: url } })
    t.match(pushed, { code: 0, err: /^Authorization model [0-9A-Z]{26} is written\nDone: \d+ create\.$/ })
    const embedded = await appFor(t, { policy: file, cache: false })
    const remote = await appFor(t, { pdp: url, token: 'none', authzen: { preset: 'openfga', store, inheritFromType: true }, cache: false, timeout: 20_000 })
    const [here, there] = [await answers(embedded, questions), await answers(remote, questions)]
    const different = questions.filter((_, index) => here[index] !== there[index])
    t.same(different, [], `the ${questions.length} questions of world ${seed}`)
    for (const [what, [ours, theirs]] of Object.entries(await lists(embedded, remote, questions))) {
      t.same(theirs, ours, `the ${ours.length} ${what} of world ${seed}`)
      t.ok(ours.length >= 10 && ours.some(list => !list.endsWith(': ')), 'some have something')
    }
    asked += questions.length
    allowed += here.filter(Boolean).length
  }
  t.ok(asked >= QUESTIONS, `${asked} questions`)
  t.ok(allowed > 1_000 && allowed < asked - 1_000, `${allowed} are allowed`)
})

t.test('a push is repeatable, a diff shows what it would do, and --prune deletes what the file does not have', async t => {
  const { url } = await openfga(t)
  const store = await storeOf(url)
  const text = JSON.stringify(worldOf(39).policy)
  const folder = await folderFor(t, { 'permit.json': text })
  const file = join(folder, 'permit.json')
  const run = (name: string, ...more: string[]) => command([name, '--policy', file, '--to', 'openfga', ...more], { env: { FGA_API_URL: url, FGA_STORE_ID: store } })
  t.match(await run('diff', '--facts'), { code: 2, out: /^\+ create authorization model\n\+ create tuple .*permit\.json/ })
  t.match(await run('push'), { code: 0, err: /Done: 1 create\./ }, 'without --facts, the model only')
  t.match(await run('push', '--facts'), { code: 0 })
  for (const name of ['push', 'diff']) t.same(await run(name, '--facts', '--prune'), { code: 0, out: 'There is no difference.', err: '' })

  const policy = JSON.parse(text) as { role_assignments: object[], roles: Record<string, object> }
  const [gone, ...kept] = policy.role_assignments
  t.ok(gone !== undefined)
  await writeFile(file, JSON.stringify({ ...policy, role_assignments: kept, roles: { ...policy.roles, auditor: {} } }))
  t.match(await run('diff', '--facts'), { code: 2, out: /^~ change authorization model\n {4}\+ tenant#member\/auditor\nOnly in the store; --prune deletes it:\n {2}tuple user:/ })
  t.match(await run('push', '--facts', '--prune'), { code: 2, err: /Delete 1 tuple of the store\? No terminal is attached to confirm it; give --yes/ })
  t.match(await run('push', '--facts', '--prune', '--yes'), { code: 0, err: /Done: 1 change, 1 delete\./ })
  t.same(await run('diff', '--facts', '--prune'), { code: 0, out: 'There is no difference.', err: '' })
  const { code, out } = await run('diff', '--facts', '--format', 'json')
  t.match({ code, plan: JSON.parse(out) }, { code: 0, plan: { create: 0, steps: [], only_in_store: [] } })
})

t.test('a store that does not exist, and a wrong token', async t => {
  const { url } = await openfga(t, { token: 'secret-of-the-test' })
  const file = join(await folderFor(t, { 'permit.yaml': 'roles: { viewer: {} }\n' }), 'permit.yaml')
  const run = (token: string) => command(['push', '--policy', file, '--to', 'openfga', '--store', '01ARZ3NDEKTSV4RRFFQ69G5FAV'],
    { env: { FGA_API_URL: url, FGA_API_TOKEN: token } })
  t.match(await run('wrong'), { code: 1, err: /does not know the key \(401\)[^]*check --api-key or FGA_API_TOKEN/ })
  const { code, err } = await run('secret-of-the-test')
  t.equal(code, 1)
  t.match(err, /has no store 01ARZ3NDEKTSV4RRFFQ69G5FAV\n {2}create one, and check --store or FGA_STORE_ID/)
  t.notMatch(err, 'secret-of-the-test')
})
