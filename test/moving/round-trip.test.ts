// A policy that moves to an environment and back is the same policy, to the byte.
import fc from 'fast-check'
import t from 'tap'
import { loadPolicy, PolicyError } from '../../src/environment/file/policy-file.js'
import { compilePolicy } from '../../src/engine/policy/compile-policy.js'
import type { Policy } from '../../src/index.js'
import { environmentFor, policies, pullText, pushPolicy } from './support.js'

const RUNS = Number(process.env['RUNS'] ?? 5)

t.test('pull, push to an empty environment, pull: the same bytes; a second push changes nothing; pruning leaves nothing', { timeout: 600_000 }, async t => {
  const [first, second] = [await environmentFor(t), await environmentFor(t)]
  const empty = await pullText(second.client)
  let count = 0
  const run = await fc.check(fc.asyncProperty(policies, async policy => {
    compilePolicy(policy)
    count++
    // What the run before left is pruned on the way.
    await pushPolicy(first.client, policy, { prune: true })
    const before = await pullText(first.client)
    // What the file says, not what the test made.
    const { schema } = await loadPolicyAnyway(before.text)
    await pushPolicy(second.client, schema)
    const after = await pullText(second.client)
    if (after.text !== before.text) throw new Error(`the second pull differs:\n${before.text}\n${after.text}`)
    const steps = await pushPolicy(second.client, schema, { prune: true })
    if (steps !== 0) throw new Error(`the second push had ${steps} steps:\n${before.text}`)
    await pushPolicy(second.client, { tenants: { default: {} }, proxy_configs: {} }, { prune: true })
    const pruned = await pullText(second.client)
    if (pruned.text !== empty.text) throw new Error(`this is left:\n${pruned.text}`)
  }), { numRuns: RUNS, endOnFailure: true })
  // By its report, which has the seed and the policy: tap does not print every error that fast-check throws.
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.equal(count, RUNS)
})

t.test('10,000 objects, with attributes of each type and keys in any script, are the same after the round trip', { timeout: 120_000 }, async t => {
  const [first, second] = [await environmentFor(t), await environmentFor(t)]
  const values = {
    bool: false,
    number: -1.5e-7,
    string: 'ä\n日本 🎲 \u2028 "\'',
    time: '2026-01-31T00:00:00Z',
    array: [1, 'b', null],
    json: { a: [{ b: null }] },
    object: { ü: { x: 0 } },
    object_array: [{ a: 1 }, { a: 2 }]
  }
  const types = Object.keys(values) as Array<keyof typeof values>
  const attributes = Object.fromEntries(types.map(type => [type, { type }]))
  const count = 2_000
  const numbers = Array.from({ length: count }, (_, index) => index)
  const user = (index: number) => ['ann', 'Ünal ', 'Приве́т', '用户@', '🎲/', '%2f?#'][index % 6] + String(index)
  const policy: Policy = {
    user_attributes: attributes,
    resources: {
      folder: { actions: {} },
      document: { actions: { read: {} }, attributes, relations: { parent: 'folder' }, roles: { owner: { permissions: ['read'] } } }
    },
    roles: { viewer: { permissions: ['document:read'] } },
    users: Object.fromEntries(numbers.map(index => [user(index), { email: `u${index}@example.com`, attributes: values }])),
    resource_instances: numbers.map(index => ({ resource: 'document', key: `d ${user(index)}`, attributes: values })),
    role_assignments: numbers.flatMap(index => [
      { user: user(index), role: 'viewer' }, { user: user(index), role: 'owner', resource_instance: `document:d ${user(index)}` }
    ]),
    relationship_tuples: numbers.map(index => ({ subject: `folder:f${index % 100}`, relation: 'parent', object: `document:d ${user(index)}` }))
  }
  t.ok(await pushPolicy(first.client, policy) > 5 * count)
  const { text } = await pullText(first.client, undefined, 'json')
  t.equal(await pushPolicy(second.client, JSON.parse(text) as Policy) > 5 * count, true)
  const after = await pullText(second.client, undefined, 'json')
  t.ok(after.text === text, 'the same bytes')
  t.same(after.problems, [])
  t.same((JSON.parse(text) as { users: Record<string, object> }).users[user(1_999)], { email: 'u1999@example.com', attributes: values })
})

/** The policies of this test use attributes that they do not declare, which a person's file may not. */
async function loadPolicyAnyway (text: string): Promise<{ schema: Policy }> {
  try {
    return await loadPolicy(text)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    const { parse } = await import('yaml')
    const schema = parse(text) as Policy
    compilePolicy(schema)
    return { schema }
  }
}
