// `fastify-permit test`: what does not hold is said with its line, and nothing holds by mistake.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { parseExpectations } from '../../../src/cli/testing/expectations.js'
import { expectationsJsonSchema } from '../../../src/cli/testing/expectations-json-schema.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { pdpFor } from '../../support/app.js'
import { sendJson, type WireQuestion } from '../../support/fake-pdp.js'
import { permit } from '../in-process.js'
import { assertCounted } from '../../support/counted.js'

const POLICY = `
resources:
  task: { actions: { create: {}, retrieve: {}, delete: {} } }
  folder: { actions: { open: {} }, roles: { editor: { permissions: [open] } } }
  document:
    actions: { read: {}, edit: {} }
    relations: { parent: folder }
    roles:
      editor:
        permissions: [edit]
        granted_to: { users_with_role: [{ role: editor, on_resource: folder, linked_by_relation: parent }] }
roles:
  admin: { permissions: ['task:create', 'task:retrieve', 'task:delete'] }
  viewer: { permissions: ['task:retrieve'] }
user_sets: { seniors: { conditions: { user.level: { greater-than: 2 } } } }
resource_sets: { open: { resource: document, conditions: { resource.secret: { equals: false } } } }
set_rules: [{ user_set: seniors, permission: 'document:read', resource_set: open }]
`

const GIVEN = `
given:
  tenants: { acme: {} }
  users: { ada: {}, victor: {} }
  role_assignments:
    - { user: ada, role: admin }
    - { user: victor, role: viewer }
    - { user: victor, role: editor, resource_instance: 'folder:plans' }
  relationship_tuples: [{ subject: 'folder:plans', relation: parent, object: 'document:spec' }]
`

function files (t: Test, tests: string): { readonly policy: string, readonly file: string, readonly run: (...more: string[]) => ReturnType<typeof permit> } {
  const folder = t.testdir()
  const policy = join(folder, 'permit.yaml')
  const file = join(folder, 'permit.test.yaml')
  writeFileSync(policy, POLICY)
  writeFileSync(file, tests)
  return { policy, file, run: (...more) => permit(['test', file, '--policy', policy, ...more]) }
}

t.test('passing sentences and blocks are counted, and the exit code is 0', async t => {
  const { run } = files(t, `${GIVEN}
tests:
  - ada may create, retrieve, and delete task in default
  - victor may not create or delete task:1
  - victor may not retrieve task in acme
  - victor may edit document:spec
  - user: { key: victor, attributes: { level: 3 } }
    resource: { type: document, attributes: { secret: false } }
    may: [read, document:read]
    may_not: [edit]
  - user: ada
    may: [task:create, 'delete task:1']
    may_not: [document:read]
`)
  t.match(await run(), { code: 0, out: '13 expectations passed.', err: '' })
})

t.test('a failing expectation is reported with file, line, column and reason, and the exit code is 1', async t => {
  const { file, run } = files(t, `${GIVEN}
tests:
  - ada may not create task
  - victor may retrieve and
      delete task in default
  - user: victor
    name: viewers look at documents
    may:
      - document:read
      - task:retrieve
`)
  const { code, out } = await run()
  t.equal(code, 1)
  t.match(out, `✗ ${file}:12:5  ada may not create task in default\n    but is allowed: user 'ada' has role 'admin'`)
  t.match(out, `✗ ${file}:13:5  victor may delete task in default\n    but is denied: none of the roles`)
  t.match(out, `✗ ${file}:18:9  victor may read document in default — viewers look at documents\n`)
  t.match(out, /3 of 5 expectations failed\.$/)

  const explained = (await run('--explain')).out
  t.match(explained, /but is denied: [^]*✗ RBAC[^]*has role viewer in default, which does not hold task:delete/)
  const json = JSON.parse((await run('--json')).out)
  t.match(json, { ok: false, total: 5, failed: 3 })
  t.match(json.results[0], { ok: false, file, line: 12, column: 5, user: 'ada', action: 'create', resource: 'task', tenant: 'default', expected: 'deny', allow: true, code: 'allow' })
})

t.test('a typo in a "may not" does not pass because it is denied', async t => {
  const { run } = files(t, `${GIVEN}
tests:
  - victor may not craete task
  - victor may not create tusk
  - victor may not create task in acne
`)
  const { code, out } = await run()
  t.equal(code, 1)
  t.match(out, /cannot be checked: .*'craete'.*did you mean 'create'/)
  t.match(out, /cannot be checked: .*'tusk'.*did you mean 'task'/)
  t.match(out, /cannot be checked: .*'acne'.*did you mean 'acme'/)
})

t.test('an unknown user is denied, which is noted', async t => {
  const { run } = files(t, `${GIVEN}\ntests:\n  - viktor may not create or delete task\n`)
  t.match(await run(), { code: 0, out: /note: viktor is not in the policy.*2 expectations/ })
})

t.test('an invalid test file exits with 3, with the line and the fix of every mistake', async t => {
  const cases: Array<[string, RegExp]> = [
    ['', /the file is empty/],
    ['tests: []', /:1:1 .*there are no tests/],
    ['test: [ada may create task]', /'test'.*did you mean 'tests'/],
    ['tests:\n  - ada can create task', /:2:5 .*'ada can create task' is not an expectation.*<user> may <action>/],
    ['tests:\n  - ada may create', /:2:5 .*is not an expectation/],
    ['tests:\n  - ada may create task: 1', /:2:5 .*a colon followed by a space.*quotes/],
    ['tests:\n  - ada may create task:', /:2:5 .*a colon followed by a space/],
    ['tests:\n  - ada may create :1', /:2:5 .*the resource is ":1"/],
    ['tests:\n  - ada may not task', /:2:5 .*'ada may not task' is not an expectation/],
    ['tests:\n  - ada may create, task', /is not an expectation/],
    ['tests:\n  - ada may create task, in acme', /is not an expectation/],
    ['tests:\n  - { user: ada }', /:2:5 .*the block expects nothing/],
    ['tests:\n  - { user: ada, may: [create] }', /:2:24 .*'create' is not a permission/],
    ['tests:\n  - { user: ada, may: [a b c] }', /:2:24 .*'a b c' is not a permission/],
    ['tests:\n  - { user: ada, resource: task, may: ["create task"] }', /'resource' names the resource/],
    ['tests:\n  - { user: ada, resource: task, may: ["document:read"] }', /'document:read' is not an action of 'task'/],
    ['tests:\n  - { user: ada, mai: [a:b] }', /'mai'.*did you mean 'may'/],
    ['tests:\n  - 5', /a number is not allowed here/],
    ['tests:\n  - ada may create task\ntests:\n  - ada may create task', /'tests' appears twice/],
    ['given:\n  users: { ada: }\n  role_assignments:\n    - { user: ada, role: admin }\n    - { user: ada, role: admn }\ntests:\n  - ada may create task', /:5:20 .*'admn'.*did you mean 'admin'/],
    ['given:\n  users: { ada: { level: 3 } }\ntests:\n  - ada may create task', /:2:19 .*'level'/],
    ['given: { roles: {} }\ntests:\n  - ada may create task', /'roles'/]
  ]
  for (const [text, wanted] of cases) {
    const { run } = files(t, text)
    t.match(await run(), { code: 3, out: '', err: wanted }, text)
  }
  const { policy } = files(t, '')
  t.match(await permit(['test', `${policy}.none`, '--policy', policy]), { code: 3, err: /none/ })
})

t.test('the coverage names the parts that no test uses', async t => {
  const { run } = files(t, `${GIVEN}\ntests:\n  - ada may create task\n`)
  const { code, out } = await run('--coverage')
  t.equal(code, 0)
  for (const part of [/checks:\n {2}task:retrieve\n {2}task:delete\n {2}folder:open\n {2}document:read/, /roles .*:\n {2}viewer/, /editor on folder/, /editor on document, from editor on folder by parent/, /user sets.*\n {2}seniors/, /resource sets.*\n {2}open/, /set_rules\[0\]: seniors may document:read on open/]) t.match(out, part)
  t.match(out, /The tests cover 2 of 14 parts of the policy \(14 %\)/)
  t.match(await run('--coverage-min', '14'), { code: 0 })
  t.match(await run('--coverage-min', '15'), { code: 1, out: /The coverage is 14 %, which is below 15 %/ })
  t.match(JSON.parse((await run('--coverage', '--json')).out), { ok: true, coverage: { percent: 14, untouched: { roles: ['viewer'] } } })
})

t.test('tests that use every part have full coverage', async t => {
  const { run } = files(t, `${GIVEN}
tests:
  - ada may create, retrieve and delete task
  - victor may not create task
  - victor may open folder:plans
  - victor may edit document:spec
  - user: { key: ada, attributes: { level: 3 } }
    resource: { type: document, attributes: { secret: false } }
    may: [read]
`)
  t.match(await run('--coverage-min', '100'), { code: 0, out: /14 of 14 parts of the policy \(100 %\)/ })
})

t.test('a PDP over HTTP gets the same checks; missing answers exit with 3', async t => {
  const pdp = await pdpFor(t, { decide: ({ user, resource }) => user.key === 'ada' && resource.tenant === 'acme' })
  const { file } = files(t, 'tenant: acme\ntests:\n  - ada may create, retrieve and delete task\n  - victor may not create task:1 in default\n  - ada may create task in default\n')
  const args = ['test', file, '--pdp', pdp.url, '--token', pdp.token]
  t.match(await permit(args), { code: 1, out: /:5:5 {2}ada may create task in default\n.*but is denied[^]*1 of 5 expectations failed/ })
  // Those with a no are asked again, when the PDP has said that it is ready.
  t.equal(new Set(pdp.questions.map(question => JSON.stringify(question))).size, 5)
  t.match(pdp.questions.find(({ user }) => user.key === 'victor'), { resource: { type: 'task', key: '1', tenant: 'default' } })
  t.match(await permit([...args, '--coverage']), { code: 2, err: /--policy/ })
  t.match(await permit([...args, '--policy', file]), { code: 2, err: /both/ })
  await pdp.close()
  t.match(await permit(args), { code: 3, out: '', err: /no decision/ })

  const { file: withFacts } = files(t, `${GIVEN}\ntests:\n  - ada may create task\n`)
  t.match(await permit(['test', withFacts, '--pdp', pdp.url, '--token', 'x']), { code: 3, err: /given/ })
  t.match(await permit(['test', withFacts]), { code: 2, err: /no policy and no PDP is given; give --policy/ })
  t.match(await permit(['test', '--policy', file]), { code: 2, err: /no test file/ })
})

t.test('several files are tested, each with its own facts', async t => {
  const { policy, file } = files(t, `${GIVEN}\ntests:\n  - ada may create task\n`)
  const second = `${file}.second.yaml`
  writeFileSync(second, 'tests:\n  - ada may not create task\n')
  t.match(await permit(['test', file, second, '--policy', policy]), { code: 0, out: /note: ada[^]*2 expectations passed/ })
})

t.test('the results are written to a JUnit file, with everything escaped', async t => {
  const { file, run } = files(t, `${GIVEN}\ntests:\n  - ada may create task\n  - '"<&\u0001> may create task'\n`.replace('\u0001', ''))
  const junit = `${file}.xml`
  t.match(await run('--junit', junit), { code: 1 })
  const xml = readFileSync(junit, 'utf8')
  t.match(xml, /<testsuites name="fastify-permit test" tests="2" failures="1">/)
  t.match(xml, /<testcase name="ada may create task in default" classname="[^"]+" file="[^"]+" line="12"\/>/)
  t.match(xml, '<testcase name="&#34;&#60;&#38;&#62; may create task in default"')
})

t.test('an endless sentence is refused quickly', async t => {
  for (const long of ['b,'.repeat(100_000), 'b, '.repeat(100_000), 'b and '.repeat(100_000), ' '.repeat(200_000), 'b'.repeat(300_000)]) {
    t.throws(() => parseExpectations(JSON.stringify({ tests: [`a may ${long}`] }), 'x.json'), { name: 'PolicyError' })
  }
})

t.test('the published schema accepts exactly the sentences that the reader accepts', async t => {
  const schema = Compile(expectationsJsonSchema() as Parameters<typeof Compile>[0])
  const word = fc.constantFrom('ada', 'may', 'not', 'create', 'create,', 'and', 'or', 'task', 'task:1', 'in', 'acme', 'create,delete', '')
  let read = 0
  await assertCounted(fc.property(fc.array(word, { minLength: 4, maxLength: 9 }), tokens => {
    const sentence = tokens.join(' ')
    const accepted = (() => {
      try {
        parseExpectations(JSON.stringify({ tests: [sentence] }), 'x.json')
        return true
      } catch {
        return false
      }
    })()
    if (accepted) read++
    // What is read is taken; the schema cannot see that `:1` is no resource, but there is none among the words.
    return schema.Check({ tests: [sentence] }) === accepted
  }), { numRuns: 3_000, examples: [[['ada', 'may', 'create', 'task']], [['ada', 'may', 'create,', 'or', 'in', 'ada']]] }, () => {
    t.ok(read > 5, String(read))
  })
  t.equal(schema.Check({ tests: [{ user: { key: 'a', attributes: {} }, resource: { type: 'x' }, may: ['y'] }], given: { users: { a: null } }, tenant: 't' }), true)
  for (const wrong of [{}, { tests: 'x' }, { tests: [{ may: ['a:b'] }] }, { tests: [], given: { roles: {} } }, { tests: ['ada can create task'] }]) t.equal(schema.Check(wrong), false, JSON.stringify(wrong))
})

t.test('at a PDP, a name that it does not have fails where the PDP gives reasons, and is noted where it does not', async t => {
  const { policy, file } = files(t, `tests:
  - ada may retrieve and delete task
  - victor may not delete task
  - victor may not delte task
  - victor may not delete taks
  - victor may not delete task in acmee
`)
  writeFileSync(policy, `${POLICY}\ntenants: { acme: {} }\nusers: { ada: {}, victor: {} }\nrole_assignments: [{ user: ada, role: admin }, { user: victor, role: viewer }]\n`)
  const local = createLocalPdp({ policy, token: 'a-token-for-this-test' })
  t.teardown(() => local.close())
  const withReasons = await permit(['test', file, '--pdp', await local.listen({ port: 0 }), '--token', 'a-token-for-this-test'])
  t.match(withReasons, { code: 1, out: /:4:5[^]*cannot be checked[^]*:5:5[^]*cannot be checked[^]*:6:5[^]*cannot be checked[^]*3 of 6 expectations failed/ })
  t.notMatch(withReasons.out, 'note:')

  // The same decisions, without their reasons.
  const allow = ({ user, action, resource }: WireQuestion) => user.key === 'ada' && ['retrieve', 'delete'].includes(action) && resource.type === 'task' && resource.tenant === 'default'
  const silent = await pdpFor(t, {
    intercept ({ url, body }, response) {
      if (!url.startsWith('/allowed')) return false
      sendJson(response, 200, Array.isArray(body) ? { allow: body.map(question => ({ allow: allow(question as WireQuestion) })) } : { allow: allow(body as WireQuestion) })
      return true
    }
  })
  const run = (...more: string[]) => permit(['test', file, '--pdp', silent.url, '--token', silent.token, ...more])
  const note = 'the PDP gives no reasons for its denials, so a "may not" also passes with a name that does not exist there. No question was allowed for task:delte, taks:delete, tenant acmee'
  t.same(await run(), { code: 0, out: `note: ${note}\n6 expectations passed.`, err: '' })
  t.same(JSON.parse((await run('--json')).out).notes, [note])

  writeFileSync(file, 'tests:\n  - ada may retrieve and delete task\n  - victor may not retrieve or delete task\n')
  t.same(await run(), { code: 0, out: '4 expectations passed.', err: '' }, 'what was allowed for another user is known')
})

t.test('a test file and a block have a time for conditions on now, and a PDP over HTTP has its own', async t => {
  const { policy, file, run } = files(t, `
now: '2027-02-01T08:30:00Z'
given: { users: { ada: {} } }
tests:
  - ada may read document
  - user: ada
    now: '2027-02-01T20:00:00+01:00'
    may_not: ['document:read']
  - { user: ada, may: ['document:read'] }
`)
  const office = (text: string) => writeFileSync(policy, POLICY.replace('user.level: { greater-than: 2 }', text).replace('resource_set: open', 'resource_set: document'))
  office("now.time: { between: ['08:00', '17:59'] }")
  t.match(await run(), { code: 0, out: '3 expectations passed.' })
  office("now.time: { between: ['18:00', '19:00'] }")
  t.match(await run('--explain'), { code: 1, out: 'now.time' })
  const { code, err } = await permit(['test', file, '--pdp', 'http://127.0.0.1:9', '--token', 'secret'])
  t.equal(code, 3)
  t.match(err, /has (facts under "given"|a "now")/)
  writeFileSync(file, "now: '2027-02-01'\ntests:\n  - { user: ada, now: tomorrow, may: ['document:read'] }\n")
  const wrong = await run()
  t.equal(wrong.code, 3)
  t.match(wrong.err, "permit.test.yaml:1:1  now  '2027-02-01' is not a time with its zone — write a time such as \"2027-01-31T18:00:00Z\"")
  t.match(wrong.err, "'tomorrow' is not a time with its zone")
  writeFileSync(file, "tests:\n  - { user: ada, now: '2027-02-01T08:30:00Z', may: ['document:read'] }\n")
  t.match(await permit(['test', file, '--pdp', 'http://127.0.0.1:9', '--token', 'secret']), { code: 3, err: /:2:\d+: the test has a "now", but a PDP over HTTP has its own clock/ })
})
