// A command compiles a policy once: what it asks afterwards does not read the document again.
import { join } from 'node:path'
import t from 'tap'
import { questionOf } from '../../../src/cli/query/query-options.js'
import { policySource } from '../../../src/cli/query/decision-source.js'
import { readExpectations } from '../../../src/cli/testing/expectations.js'
import { withGiven } from '../../../src/cli/testing/given-facts.js'
import { loadPolicyFile } from '../../../src/environment/file/policy-file.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const POLICY = `
resources: { task: { actions: { read: {} } } }
roles: { reader: { permissions: ['task:read'] } }
users: { ada: {} }
role_assignments: [{ user: ada, role: reader, tenant: default }]
`
const GIVEN = `
given: { users: { ben: {} }, role_assignments: [{ user: ben, role: reader }] }
tests: [ben may read task]
`

const UNREADABLE: Policy = new Proxy({}, {
  get (_, name) { throw new Error(`the document is read again: ${String(name)}`) },
  ownKeys () { throw new Error('the document is read again') }
})

const reads = (user: string) => questionOf({ user, action: 'read', resource: 'task' })

t.test('a decision source decides by the compiled policy, without reading the document again', async t => {
  const { compiled } = await loadPolicyFile(join(t.testdir({ 'permit.yaml': POLICY }), 'permit.yaml'))
  const source = policySource('permit.yaml', { schema: UNREADABLE, compiled })
  t.match(await source.ask(reads('ada')), { allow: true })
  t.match(await source.ask(reads('ben')), { allow: false })
})

t.test('the facts of a test file hold for one decision source, and not for others of the same policy', async t => {
  const dir = t.testdir({ 'permit.yaml': POLICY, 'permit.test.yaml': GIVEN })
  const policy = await loadPolicyFile(join(dir, 'permit.yaml'))
  const { compiled } = withGiven(policy, await readExpectations(join(dir, 'permit.test.yaml')))
  const withFacts = policySource('permit.yaml', { schema: UNREADABLE, compiled })
  t.match(await withFacts.ask(reads('ada')), { allow: true })
  t.match(await withFacts.ask(reads('ben')), { allow: true })
  t.match(await policySource('permit.yaml', policy).ask(reads('ben')), { allow: false })
})
