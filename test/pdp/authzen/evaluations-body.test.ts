// Which evaluations travel together, and what a batch looks like; with the examples of the standard.
import fc from 'fast-check'
import t from 'tap'
import type { Evaluation } from '../../../src/index.js'
import { createQuery } from '../../../src/decision/query.js'
import { readEvaluation, readEvaluations } from '../../../src/pdp/authzen/read-evaluation.js'
import { batches, evaluationBody, evaluationsBody } from '../../../src/pdp/authzen/evaluations-body.js'
import { Mapping, type WrittenEvaluation } from '../../../src/pdp/authzen/mapping.js'

/** An evaluation as it is sent: by a map, as it stands. */
const written = (evaluation: Evaluation): WrittenEvaluation => new Mapping({ map: () => evaluation }).write(createQuery('somebody', 'acts', 'something')).anyOf[0] as WrittenEvaluation

const ALICE = { type: 'user', id: 'alice@example.com' }
const document = (id: string) => ({ type: 'document', id })

t.test('the single evaluation of the standard (section 6.1) is sent as it is', async t => {
  const evaluation = {
    subject: ALICE,
    resource: { type: 'account', id: '123' },
    action: { name: 'can_read', properties: { method: 'GET' } },
    context: { time: '1985-10-26T01:22-07:00' }
  }
  t.same(JSON.parse(evaluationBody(written(evaluation))), evaluation)
})

t.test('the batch of the standard with shared values (section 7.1.2) is sent as it is', async t => {
  const body = evaluationsBody(['1', '2', '3'].map(id => written({ subject: ALICE, action: { name: 'read' }, resource: document(id), context: {} })))
  t.same(JSON.parse(body), {
    subject: ALICE,
    action: { name: 'read' },
    context: {},
    options: { evaluations_semantic: 'execute_all' },
    evaluations: [{ resource: document('1') }, { resource: document('2') }, { resource: document('3') }]
  })
})

t.test('the batch of the standard that overrides a default (section 7.1.1) becomes an equivalent one', async t => {
  const context = { time: '2024-05-31T15:22-07:00' }
  const evaluations = [['can_read', 'boxcarring.md'], ['can_read', 'subject-search.md'], ['can_edit', 'resource-search.md']]
    .map(([name = '', id = '']) => ({ subject: ALICE, action: { name }, resource: document(id), context }))
  const { evaluations: items, options, ...defaults } = JSON.parse(evaluationsBody(evaluations.map(written)))
  t.same(options, { evaluations_semantic: 'execute_all' })
  t.same(defaults, { subject: ALICE, context })
  t.same(items.map((item: object) => ({ ...defaults, ...item })), evaluations)
})

t.test('the answers of the standard are read correctly', async t => {
  t.same(readEvaluation({ decision: true }), { allow: true })
  t.match(readEvaluation({ decision: false, context: { reason_admin: { en: 'Request failed policy C076E82F' }, reason_user: { 'en-403': 'Insufficient privileges. Contact your administrator' } } }),
    { allow: false, reason: 'Request failed policy C076E82F' })
  t.match(readEvaluations({
    evaluations: [
      { decision: true },
      { decision: false, context: { error: { status: 404, message: 'Resource not found' } } },
      { decision: false, context: { reason: 'Subject is a viewer of the resource' } }
    ]
  }, 3), [{ allow: true }, { failure: 'undecided', status: 404, message: /Resource not found/ }, { allow: false, reason: 'Subject is a viewer of the resource' }])
  // The answer of another semantic than ours ends early: it is not an answer to what was asked.
  t.throws(() => readEvaluations({ evaluations: [{ decision: true }, { decision: false, context: { id: '200', reason: 'deny_on_first_deny' } }] }, 3))
})

const entity = (types: string[]) => fc.record({
  type: fc.constantFrom(...types),
  id: fc.constantFrom('1', '\ud800', '\udfff', '1:2'),
  // Mostly none: that two are about the same has to happen often.
  properties: fc.constantFrom(undefined, undefined, undefined, { tenant: 'a' }, { tenant: 'b' })
})
const evaluations = fc.array(fc.record({
  subject: entity(['user', 'user', 'identity']),
  action: fc.record({ name: fc.constantFrom('read', 'write') }),
  resource: entity(['task', 'file']),
  context: fc.constantFrom(undefined, {}, { ip: '::1' })
}) as fc.Arbitrary<Evaluation>, { minLength: 1, maxLength: 30 })

t.test('in one batch an id means one thing, and each evaluation is in one batch, in order', async () => {
  // As a PDP may compare ids: without types, and with one sign for all that is no text.
  const asText = (id: string) => Buffer.from(id).toString()
  fc.assert(fc.property(evaluations, all => {
    const groups = batches(all.map(written))
    if (JSON.stringify(groups.flat().sort((a, b) => a - b)) !== JSON.stringify([...all.keys()])) return false
    return groups.every(places => places.every((place, index) => index === 0 || place > (places[index - 1] as number)) && places.every(one => places.every(other => {
      const [a, b] = [all[one], all[other]] as [Evaluation, Evaluation]
      if (asText(a.subject.id) !== asText(b.subject.id)) return true
      if (JSON.stringify(a.subject) !== JSON.stringify(b.subject)) return false
      if (a.resource.type !== b.resource.type || asText(a.resource.id) !== asText(b.resource.id)) return true
      return JSON.stringify([a.resource, a.context ?? {}]) === JSON.stringify([b.resource, b.context ?? {}])
    })))
  }), { numRuns: 500 })
})

t.test('whatever a batch shares, each evaluation means the original check', async () => {
  fc.assert(fc.property(evaluations, all => {
    const { evaluations: items, options: _, ...defaults } = JSON.parse(evaluationsBody(all.map(written)))
    const expected = all.map(({ context = {}, ...rest }) => JSON.parse(JSON.stringify({ ...rest, context })))
    return items.length === all.length && items.every((item: object, index: number) => {
      const { subject, action, resource, context } = { ...defaults, ...item } as Evaluation
      return JSON.stringify([subject, action, resource, context]) === JSON.stringify([expected[index].subject, expected[index].action, expected[index].resource, expected[index].context])
    })
  }), { numRuns: 500 })
})

t.test('large evaluations are sent in several batches, and a very large one alone', async t => {
  const large = (id: string, size: number) => written({ subject: ALICE, action: { name: 'read' }, resource: { ...document(id), properties: { text: 'x'.repeat(size) } } })
  const groups = batches([large('1', 100_000), large('2', 100_000), large('3', 100_000), large('4', 1_000_000), large('5', 10)])
  t.same(groups, [[0, 1, 4], [2], [3]])
})
