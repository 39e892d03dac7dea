// A policy in JSON that is compiled in pieces has the facts that it has as a whole; with anything wrong, it is not compiled in pieces.

import t from 'tap'
import fc from 'fast-check'
import { checkPolicy } from '../../../src/environment/file/check-policy.js'
import { loadPolicy } from '../../../src/environment/file/policy-file.js'
import { streamPolicy } from '../../../src/environment/file/policy-stream.js'
import { POLICY_WORDS } from '../../../src/environment/file/policy-text.js'
import { parseYaml } from '../../../src/environment/file/yaml-file.js'
import { PolicyError } from '../../../src/engine/policy/problems.js'
import { runSync } from '../../../src/kit/time-slices.js'
import { assertCounted } from '../../support/counted.js'

/** Longer than a piece: what stands on either side of it is read apart. */
const GAP = ' '.repeat(66_000)
const SCHEMA = '"resources": {"task": {"actions": {"read": {}}, "roles": {"owner": {"permissions": ["read"]}}}}, ' +
  '"roles": {"viewer": {"permissions": ["task:read"]}}'

const gap = fc.constantFrom('', '', ' ', '\n', GAP)
/** Mostly right: one mistake anywhere makes the whole document wrong. */
const rarely = (right: readonly string[], wrong: readonly string[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) })
const comma = fc.tuple(gap, rarely([','], [',,', '']), gap).map(parts => parts.join(''))
const user = rarely(
  ['"a": {}', '"b": {"email": "b@x"}', '"c": {"attributes": {"x": [1, {"y": 2}]}}', '"__proto__": {}', '"f": null', '"1": {}'],
  ['"\\u0061": {}', '"d": {"attributes": {"x": 1, "x": 2}}', '"e": {"nothing": 1}'])
const assignment = rarely([
  '{"user": "a", "role": "viewer"}', '{"user": "b", "role": "viewer", "tenant": "default"}',
  '{"user": "c", "role": "owner", "resource_instance": "task:1"}', '{"user": "c", "role": "viewer"}'
], ['{"user": "nobody", "role": "viewer"}', '{"user": "a", "role": "nothing"}', '{"user": "a"}', '{"user": "b", "role": "viewer"}', '[]'])
const joined = (items: fc.Arbitrary<string>, always: readonly string[] = []) =>
  fc.tuple(fc.uniqueArray(items, { maxLength: 4 }), fc.array(comma, { minLength: 8, maxLength: 8 })).map(([items, commas]) =>
    [...new Set([...always, ...items])].map((item, index, all) => index < all.length - 1 ? item + (commas[index] ?? ',') : item).join(''))
const document = fc.record({
  users: joined(user, ['"a": {}', '"b": {"email": "b@x"}', '"c": {"attributes": {"x": [1, {"y": 2}]}}']),
  assignments: joined(assignment),
  first: fc.boolean(),
  end: rarely(['}'], [',}', '', ']'])
})
  .map(({ users, assignments, first, end }) => {
    const facts = [`"users": {${users}}`, `"role_assignments": [${assignments}]`]
    return `{${(first ? [...facts, SCHEMA] : [SCHEMA, ...facts.reverse()]).join(', ')}${end}`
  })

function whole (text: string) {
  try {
    const { compiled: { facts } } = checkPolicy(parseYaml(text, { maxBytes: 10_000_000, words: POLICY_WORDS }))
    return { users: [...facts.users].sort(byKey), assignments: facts.roleAssignments, instances: [...facts.resourceInstances] }
  } catch (error) {
    if (error instanceof PolicyError) return error.message
    throw error
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => a < b ? -1 : 1

t.test('a random document loads the same in one piece or in many', async t => {
  let streamed = 0
  await assertCounted(fc.asyncProperty(document, async text => {
    const wanted = whole(text)
    const stream = runSync(streamPolicy(text))
    if (stream !== undefined) streamed++
    if (stream !== undefined && typeof wanted === 'string') throw new Error(`compiled, although: ${wanted}`)
    const found = await loadPolicy(text, { maxBytes: 10_000_000 }).then(({ compiled: { facts } }) =>
      ({ users: [...facts.users].sort(byKey), assignments: facts.roleAssignments, instances: [...facts.resourceInstances] }),
    (error: Error) => error.message)
    if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`)
  }), { numRuns: Number(process.env.RUNS ?? 300) }, runs => {
    t.ok(streamed > runs / 6, `${streamed} were compiled in pieces`)
  })
})
