// docs/conditions.md: every operator and every word is there, and each example is decided as the page says.
import t from 'tap'
import { COMPARISON_OPERATORS, LOGICAL_OPERATORS, MATCH_OPERATORS } from '../../src/engine/decide/conditions.js'
import { Engine } from '../../src/engine/engine.js'
import { code, documentOf, tableIn } from '../support/documents.js'

const page = await documentOf('docs/conditions.md')

/** Whether a user with these attributes is let in by the condition. */
function decides (conditions: Record<string, unknown>, user: Record<string, unknown> = {}, resource: Record<string, unknown> = {}): boolean {
  const engine = new Engine({
    resources: { doc: { actions: { read: {} } } },
    roles: { admin: {} },
    user_sets: { set: { conditions } },
    set_rules: [{ user_set: 'set', permission: 'doc:read', resource_set: 'doc' }],
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'admin', tenant: 'default' }]
  })
  return engine.decide({ user: { key: 'ann', attributes: user as never }, action: 'read', resource: { type: 'doc', tenant: 'default', attributes: resource as never } }).allow
}

const parse = (cell: string | undefined): never => JSON.parse(code(cell ?? '')[0] ?? '') as never

t.test('the table lists every operator, and each example is true and false for the values on the page', async t => {
  const rows = tableIn(page, 'Operator')
  t.same(rows.map(([name]) => code(name as string)[0]).sort(), [...COMPARISON_OPERATORS.map(({ key }) => key), ...MATCH_OPERATORS].sort())
  for (const [name, , example, right, wrong] of rows) {
    const test: Record<string, unknown> = parse(example)
    t.same(Object.keys(test), code(name as string))
    t.equal(decides({ 'user.x': test }, { x: parse(right) }), true, `${example} of ${right}`)
    t.equal(decides({ 'user.x': test }, { x: parse(wrong) }), false, `${example} of ${wrong}`)
    t.equal(decides({ 'user.x': test }, {}), false, `${example} of nothing`)
  }
})

t.test('references, lists and logical words decide as the page says', async t => {
  const [owner, role] = tableIn(page, 'Condition').map(([cell]) => parse(cell) as Record<string, unknown>)
  t.equal(decides(owner as never, {}, { owner: 'ann' }), true)
  t.equal(decides(owner as never, {}, { owner: 'bob' }), false)
  t.equal(decides(owner as never), false)
  t.equal(decides(role as never, {}, { role: 'admin' }), true)
  t.equal(decides(role as never, {}, { role: 'clerk' }), false)

  t.same(tableIn(page, 'Word').flatMap(([cell]) => code(cell as string)).sort(), [...LOGICAL_OPERATORS].sort())
  const [yes, no] = [{ 'user.x': { equals: 1 } }, { 'user.x': { equals: 2 } }]
  for (const [word, conditions, expected] of [
    ['allOf', [yes, no], false], ['and', [yes, yes], true], ['allOf', [], true], ['anyOf', [yes, no], true], ['or', [no, no], false], ['anyOf', [], false],
    ['not', [no, no], true], ['not', [yes, no], false], ['not', no, true]
  ] as const) t.equal(decides({ [word]: conditions }, { x: 1 }), expected, `${word} ${JSON.stringify(conditions)}`)
  t.equal(decides({ ...yes, 'user.y': { equals: 2 } }, { x: 1 }), false)
  t.equal(decides({ 'user.x': { 'greater-than': 0, 'less-than': 1 } }, { x: 1 }), false)

  const inline = code(page.slice(page.indexOf('Logical words may stand'))).filter(text => text.startsWith('{')).map(text => JSON.parse(text) as Record<string, unknown>)
  const [ages, blocked] = inline
  t.same([5, 30, 70].map(age => decides(ages as never, { age })), [true, false, true])
  t.same([{}, { blocked: false }, { blocked: true }].map(user => decides(blocked as never, user)), [true, true, false])
  t.equal(decides({ 'user.x': { array_subset: ['a'] } }, { x: [] }), true)
  t.equal(decides({ 'user.x': { all_match: { match: { n: { equals: 1 } } } } }, { x: [] }), true)
})
