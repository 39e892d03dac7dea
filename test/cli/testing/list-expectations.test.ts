// `fastify-permit test` expects lists: which rows a plan finds, and which it does not.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { expectationsJsonSchema } from '../../../src/cli/testing/expectations-json-schema.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { pdpFor } from '../../support/app.js'
import { permit } from '../in-process.js'

const POLICY = `
resources:
  folder: { actions: { open: {} }, roles: { reader: { permissions: [open] } } }
  document:
    actions: { read: {}, edit: {} }
    relations: { parent: folder }
    roles:
      reader:
        permissions: [read]
        granted_to: { users_with_role: [{ role: reader, on_resource: folder, linked_by_relation: parent }] }
roles:
  admin: { permissions: ['document:read', 'document:edit'] }
  staff: { permissions: [] }
user_sets: { everyone: { conditions: { user.key: { not-equals: '' } } } }
resource_sets:
  own: { resource: document, conditions: { resource.owner: { equals: { ref: user.key } } } }
  open: { resource: document, conditions: { not: [{ resource.secret: { equals: true } }] } }
set_rules:
  - { user_set: everyone, permission: 'document:read', resource_set: own }
  - { user_set: staff, permission: 'document:read', resource_set: open }
`

const GIVEN = `
given:
  tenants: { acme: {} }
  users: { ada: {}, ben: {}, cat: {}, dan: {} }
  role_assignments:
    - { user: ada, role: admin }
    - { user: ben, role: staff }
    - { user: cat, role: reader, resource_instance: 'folder:plans' }
  resource_instances:
    - { resource: document, key: d1, attributes: { owner: dan, secret: true } }
    - { resource: document, key: d2, attributes: { owner: ben, secret: false } }
    - { resource: document, key: d3 }
    - { resource: document, key: d4, tenant: acme, attributes: { owner: dan } }
  relationship_tuples: [{ subject: 'folder:plans', relation: parent, object: 'document:d3' }]
`

function files (t: Test, tests: string) {
  const folder = t.testdir()
  const [policy, file] = [join(folder, 'permit.yaml'), join(folder, 'permit.test.yaml')]
  writeFileSync(policy, POLICY)
  writeFileSync(file, tests)
  return { policy, file, run: (...more: string[]) => permit(['test', file, '--policy', policy, ...more]) }
}

t.test('a list has exactly the instances that the user may act on, by roles, conditions and roles on instances', async t => {
  const { run } = files(t, `${GIVEN}
tests:
  - { user: ada, lists: [{ action: read, type: document, exactly: [d1, d2, d3] }] }
  - { user: ben, lists: [{ action: read, type: document, exactly: [d3, d2] }, { action: edit, type: document, exactly: [] }] }
  - { user: cat, lists: [{ action: read, type: document, exactly: [d3] }] }
  - { user: dan, lists: [{ action: read, type: document, contains: [d1], excludes: [d2, d4] }] }
  - { user: dan, tenant: acme, lists: [{ action: read, type: document, exactly: [d4] }] }
  - user: nobody
    lists: [{ action: read, type: document, exactly: [] }]
    may_not: [document:read]
`)
  t.match(await run(), { code: 0, out: /note: nobody is not in the policy[^]*2 expectations[^]*9 expectations passed\.$/, err: '' })
})

t.test('a list of given rows has those that meet the condition; an attribute that a row does not have is null', async t => {
  const { run } = files(t, `${GIVEN}
tests:
  - user: { key: ben, attributes: {} }
    lists:
      - action: read
        type: document
        exactly: [mine, plain]
        rows:
          - { key: mine, attributes: { owner: ben, secret: true } }
          - { key: plain }
          - { key: hidden, attributes: { secret: true } }
          - { key: elsewhere, tenant: acme, attributes: { owner: ben } }
`)
  t.match(await run(), { code: 0, out: '1 expectation passed.' })
})

t.test('a wrong list is reported with its place, its keys, and the reason for each row that is missing or too much', async t => {
  const { file, run } = files(t, `${GIVEN}
tests:
  - user: ben
    name: staff read what is open
    lists:
      - action: read
        type: document
        exactly: [d1, d2]
  - { user: dan, lists: [{ action: read, type: document, contains: [d3, d4] }] }
  - { user: cat, lists: [{ action: read, type: document, excludes: [d3, d1] }] }
  - { user: dan, lists: [{ action: edit, type: document, contains: [d1] }] }
`)
  const { code, out } = await run()
  t.equal(code, 1)
  t.match(out, `✗ ${file}:22:9  ben's list of document in default to read has exactly d1 and d2 — staff read what is open\n    but the list has d2 and d3: d1 is denied: `)
  t.match(out, "; d3 is allowed: user 'ben' is in user set 'staff', resource 'document:d3' in resource set 'open'")
  t.match(out, `✗ ${file}:23:58  dan's list of document in default to read contains d3 and d4\n    but the list has d1: d3 is denied: `)
  t.match(out, '; d4 is of the tenant acme\n')
  t.match(out, "cat's list of document in default to read excludes d3 and d1\n    but the list has d3: d3 is allowed: ")
  t.match(out, /to edit contains d1\n {4}but the list is empty: d1 is denied: /)
  t.match(out, /4 of 4 expectations failed\.$/)

  const explained = (await run('--explain')).out
  t.match(explained, /row by row[^]*ben may not read document:d1 in default[^]*set_rules\[1\]: staff on open[^]*resource\.secret is true/)
  const json = JSON.parse((await run('--json')).out)
  t.match(json, { ok: false, total: 4, failed: 4 })
  t.match(json.results[0], {
    ok: false, file, line: 22, user: 'ben', action: 'read', resource: 'document', tenant: 'default', expected: { exactly: ['d1', 'd2'] }, listed: ['d2', 'd3'], failure: /^but the list/
  })
  const junit = `${file}.xml`
  await run('--junit', junit)
  t.match(readFileSync(junit, 'utf8'), /<testcase name="ben&(?:#39|apos);s list of document in default to read has exactly d1 and d2"[^>]* line="22"><failure message="but the list has d2 and d3: /)
})

t.test('a typing mistake never passes: neither an unknown type, action or tenant, nor a key that no row has', async t => {
  const { run } = files(t, `${GIVEN}
tests:
  - { user: ben, lists: [{ action: reed, type: document, exactly: [] }] }
  - { user: ben, lists: [{ action: read, type: dokument, exactly: [] }] }
  - { user: ben, tenant: acne, lists: [{ action: read, type: document, exactly: [] }] }
  - { user: ben, lists: [{ action: read, type: document, excludes: [d9] }] }
`)
  const { code, out } = await run()
  t.equal(code, 1)
  t.match(out, /cannot be checked: .*'reed'.*did you mean 'read'/)
  t.match(out, /cannot be checked: .*'dokument'.*did you mean 'document'/)
  t.match(out, /cannot be checked: .*'acne'.*did you mean 'acme'/)
  t.match(out, /cannot be checked: there is no document with the key 'd9'/)
  t.match(out, /4 of 4/)
})

t.test('an invalid list exits with 3, with the place and the fix', async t => {
  const list = (text: string): string => `tests:\n  - user: ben\n    lists:\n      - ${text}\n`
  const cases: Array<[string, RegExp]> = [
    [list('{ type: document, exactly: [] }'), /:4:9 .*'action' is missing/],
    [list('{ action: read, exactly: [] }'), /:4:9 .*'type' is missing/],
    [list('{ action: read, type: document }'), /:4:9 .*the list expects nothing.*'exactly'/],
    [list('{ action: read, type: document, exactly: [], contains: [a] }'), /'contains' adds nothing/],
    [list('{ action: read, type: document, contains: [] }'), /'contains' has no keys.*'exactly: \[\]'/],
    [list('{ action: read, type: document, exactly: [a, a] }'), /:4:\d+ .*the key 'a' is there twice/],
    [list('{ action: read, type: document, exactly: [1] }'), /in quotes: '1'/],
    [list('{ action: read, type: document, exacly: [a] }'), /'exacly'.*did you mean 'exactly'/],
    [list('{ action: read, type: document, exactly: [ab], rows: [{ key: abc }] }'), /no row has the key 'ab'.*did you mean 'abc'/],
    [list('{ action: read, type: document, exactly: [], rows: [{ key: a }, { key: a }] }'), /two rows with the key 'a'/],
    [list('{ action: read, type: document, exactly: [], rows: [{ attributes: {} }] }'), /'key' is missing/],
    [list('{ action: read, type: "a:b", exactly: [] }'), /:4:9 .*a:b/],
    ['tests:\n  - { user: ben, resource: document, lists: [{ action: read, type: document, exactly: [] }] }', /'resource' is for 'may' and 'may_not' only/],
    ['tests:\n  - { user: ben, lists: [] }', /the block expects nothing.*'lists'/],
    ['tests:\n  - { user: ben, lists: document }', /text is not allowed here.*list/]
  ]
  for (const [text, wanted] of cases) {
    const { run } = files(t, text)
    t.match(await run(), { code: 3, out: '', err: wanted }, text)
  }
})

t.test('lists count for the coverage: what decides about their rows is used', async t => {
  const used = async (lists: string) => JSON.parse((await files(t, `${GIVEN}\ntests:\n  - ${lists}\n`).run('--coverage', '--json')).out).coverage.untouched
  const ben = await used('{ user: ben, lists: [{ action: read, type: document, exactly: [d2, d3] }] }')
  t.same(ben.set_rules, [], 'the own document and the open one are in the list by a rule each')
  t.same(ben.resource_sets, [])
  t.same(ben.permissions, ['folder:open', 'document:edit'])
  const cat = await used('{ user: cat, lists: [{ action: read, type: document, exactly: [d3] }] }')
  t.same([cat.role_derivations, cat.resource_roles], [[], []])
  t.same(cat.set_rules.length, 2)
})

t.test('what a check says of a row is what a list has: for random rows, no list of exactly the allowed ones fails', async t => {
  const value = fc.constantFrom<unknown>(undefined, null, 'ben', 'dan', true, false, 0, '')
  await fc.assert(fc.asyncProperty(fc.constantFrom('ada', 'ben', 'cat', 'dan'), fc.array(fc.record({ owner: value, secret: value }), { maxLength: 8 }), async (user, rows) => {
    const given = rows.map((attributes, index) => ({ key: `r${index}`, attributes: JSON.parse(JSON.stringify(attributes)) as object }))
    const allowed = rows.flatMap(({ owner = null, secret = null }, index) =>
      user === 'ada' || owner === user || (user === 'ben' && secret !== true) ? [`r${index}`] : [])
    const list = { action: 'read', type: 'document', exactly: allowed, rows: given }
    const { run } = files(t, `${GIVEN}\ntests: ${JSON.stringify([{ user, lists: [list] }])}\n`)
    const result = await run()
    if (result.code !== 0) throw new Error(result.out + result.err)
    if (rows.length === 0) return
    const wrong = { ...list, exactly: allowed.length === 0 ? ['r0'] : allowed.slice(1) }
    if ((await files(t, `${GIVEN}\ntests: ${JSON.stringify([{ user, lists: [wrong] }])}\n`).run()).code !== 1) throw new Error('a wrong list passed')
  }), { numRuns: 40 })
})

t.test('a PDP over HTTP is asked for its plan; it needs rows', async t => {
  const { policy, file } = files(t, `
tests:
  - user: ben
    lists: [{ action: read, type: document, exactly: [mine], rows: [{ key: mine, attributes: { owner: ben } }, { key: other, attributes: { owner: dan } }] }]
  - user: ben
    lists: [{ action: read, type: document, contains: [other], rows: [{ key: other, attributes: { owner: dan } }] }]
`)
  writeFileSync(policy, `${POLICY}\nusers: { ben: {}, dan: {} }\n`)
  const pdp = createLocalPdp({ policy, token: 'a-token-for-this-test' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const args = ['--pdp', url, '--token', 'a-token-for-this-test']
  t.match(await permit(['test', file, ...args]), { code: 1, out: /:6:45 {2}ben's list of document in default to read contains other\n.*but the list is empty: other is denied[^]*1 of 2 expectations failed/ })
  const container = await pdpFor(t, { decide: () => false })
  t.match(await permit(['test', file, '--pdp', container.url, '--token', container.token]), { code: 1, out: /cannot be checked: there is no plan: / })

  const { file: without } = files(t, 'tests:\n  - { user: ben, lists: [{ action: read, type: document, exactly: [] }] }\n')
  t.match(await permit(['test', without, ...args]), { code: 3, err: /:2:\d+: the list has no "rows".*--policy/ })
})

t.test('the schema for editors knows lists', t => {
  const schema = Compile(expectationsJsonSchema() as Parameters<typeof Compile>[0])
  const block = (list: object): object => ({ tests: [{ user: 'ben', lists: [list] }] })
  t.ok(schema.Check(block({ action: 'read', type: 'document', exactly: ['a'], rows: [{ key: 'a', tenant: 't', attributes: { x: 1 } }] })))
  t.notOk(schema.Check(block({ action: 'read', type: 'document', exacty: ['a'] })))
  t.notOk(schema.Check(block({ action: 'read' })))
  t.end()
})

t.test('the test file of the example app expects lists', async t => {
  const folder = fileURLToPath(new URL('../../../example-app/', import.meta.url))
  const { code } = await permit(['test', join(folder, 'permit.test.yaml'), '--policy', join(folder, 'permit.yaml'), '--coverage-min', '100'])
  t.equal(code, 0)
})
