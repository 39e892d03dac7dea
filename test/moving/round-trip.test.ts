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
    await pushPolicy(second.client, { tenants: { default: {} } }, { prune: true })
    const pruned = await pullText(second.client)
    if (pruned.text !== empty.text) throw new Error(`this is left:\n${pruned.text}`)
  }), { numRuns: RUNS, endOnFailure: true })
  // By its report, which has the seed and the policy: tap does not print every error that fast-check throws.
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.equal(count, RUNS)
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
