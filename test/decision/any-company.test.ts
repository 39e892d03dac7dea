// An answer never depends on what else was asked: whatever a PDP does with a question, alone or in a batch, the others get their own answers.
import fc from 'fast-check'
import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { fastifyFor, logSink, optionsFor, pdpFor } from '../support/app.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'
import { sendJson, type WireRequest } from '../support/fake-pdp.js'

/** What a PDP can do with a question: by itself, and with all of a batch because of one. */
interface Kind {
  /** The answer that the app gets; undefined for no decision. */
  readonly allow?: boolean
  /** By itself, and as an item of a batch. */
  readonly answer: (wire: Wire) => unknown
  readonly item?: (wire: Wire) => unknown
  /** In place of an answer, by itself and in a batch. */
  readonly rejects?: number | 'cut'
  /** Is left out of a batch's answer. */
  readonly missing?: boolean
}

interface Wire {
  readonly yes: object
  readonly no: object
  /** How such a PDP says that it could not decide. */
  readonly undecided: readonly unknown[]
  readonly list: string
  readonly bulk: string
  keysOf (body: unknown): string[]
}

const permitWire: Wire = {
  yes: { allow: true },
  no: { allow: false },
  undecided: [{ allow: false, result: false, query: {}, debug: 'OPA not responding' }, { allow: false, error: 'evaluation failed' }],
  list: 'allow',
  bulk: '/allowed/bulk',
  keysOf: body => [body].flat().map(question => (question as { resource: { key: string } }).resource.key)
}

interface Evaluations { resource?: { id: string }, evaluations?: Array<{ resource?: { id: string } }> }

const authzenWire: Wire = {
  yes: { decision: true },
  no: { decision: false },
  undecided: [
    { error: { status: 500, message: 'the datastore is gone' } }, { error: { status: 404, message: 'no such type' } }, { error: 'timeout' }, { error: {} },
    { errors: ['a'] }, { status: 500 }, { status: 400 }, { status: 'urn:oasis:names:tc:xacml:1.0:status:processing-error' }, { status: 'INDETERMINATE' },
    { error: { message: 'x'.repeat(40_000) } }
  ].map(context => ({ decision: false, context })),
  list: 'evaluations',
  bulk: '/access/v1/evaluations',
  keysOf: body => {
    const { evaluations = [{}], resource } = body as Evaluations
    return evaluations.map(evaluation => (evaluation.resource ?? resource)?.id ?? '')
  }
}

const kinds: Readonly<Record<string, Kind>> = {
  yes: { allow: true, answer: ({ yes }) => yes },
  no: { allow: false, answer: ({ no }) => no },
  undecided: { answer: ({ undecided }) => undecided[0] },
  'undecided, which is 500 by itself': { rejects: 500, item: ({ undecided }) => undecided[0], answer: () => undefined },
  'undecided among others, and decided by itself': { allow: true, item: ({ undecided }) => undecided[0], answer: ({ yes }) => yes },
  'undecided, with a yes': { answer: ({ undecided, yes }) => ({ ...undecided[0] as object, ...yes }) },
  null: { answer: () => null },
  missing: { missing: true, answer: () => ({}) },
  'rejected with 400': { rejects: 400, answer: () => undefined },
  'failed with 502': { rejects: 502, answer: () => undefined },
  'a broken connection': { rejects: 'cut', answer: () => undefined }
}

function reject (response: ServerResponse, how: number | 'cut'): void {
  if (how === 'cut') response.destroy()
  else sendJson(response, how, { message: 'rejected' })
}

/** Answers as the kinds say that are the beginnings of the resources' keys. */
function answering (wire: Wire) {
  const kindOf = (key: string) => kinds[key.split('/')[0] as string] as Kind
  return ({ url, body }: WireRequest, response: ServerResponse): boolean => {
    if (url.startsWith('/.well-known') || url === '/healthy' || (Array.isArray(body) && body.length === 0)) return false
    const asked = wire.keysOf(body).map(kindOf)
    const isBulk = url === wire.bulk
    const rejected = asked.find(({ rejects, item }) => rejects !== undefined && !(isBulk && item !== undefined))
    if (rejected?.rejects !== undefined) reject(response, rejected.rejects)
    else if (!isBulk) sendJson(response, 200, (asked[0] as Kind).answer(wire))
    else sendJson(response, 200, { [wire.list]: asked.filter(({ missing }) => missing !== true).map(({ item, answer }) => (item ?? answer)(wire)) })
    return true
  }
}

async function optionsWith (t: Test, wire: Wire, intercept = answering(wire)): Promise<Partial<PermitOptions>> {
  if (wire === permitWire) return optionsFor(await pdpFor(t, { intercept }))
  const { url } = await authzenPdpFor(t, { intercept })
  return { pdp: url, protocol: 'authzen', authzen: { discovery: false, tenants: 'properties' } }
}

for (const [name, wire] of [["Permit's wire", permitWire], ['AuthZEN', authzenWire]] as const) {
  t.test(`${name}: each question gets its own answer, in any company and any order`, async t => {
    const options = await optionsWith(t, wire)
    const apps = await Promise.all([1, 3].map(async connections => {
      const app = fastifyFor(t)
      await app.register(permit, { ...options, connections, batch: 6, retries: 0, timeout: 20_000, cache: { ttl: 60_000 } })
      await app.ready()
      return app
    }))
    let run = 0
    const names = Object.keys(kinds)
    const plan = fc.array(fc.tuple(fc.constantFrom('yes', 'no', ...names), fc.boolean()), { minLength: 2, maxLength: 14 })
    await fc.assert(fc.asyncProperty(plan, fc.constantFrom(...apps), async (questions, { permit }) => {
      run++
      const ask = async (kind: string, index: number) => permit.check('ann', 'read', { type: 'task', key: `${kind}/${run}-${index}` })
        .catch(error => error.code === 'FST_PERMIT_UNAVAILABLE' ? undefined : error)
      const together: Promise<boolean | undefined>[] = []
      for (const [index, [kind, pause]] of questions.entries()) {
        together.push(ask(kind, index))
        if (pause) await new Promise(resolve => setImmediate(resolve))
      }
      const expected = questions.map(([kind]) => (kinds[kind] as Kind).allow)
      const given = await Promise.all(together)
      // No error is remembered, and no answer of another.
      const again: Array<boolean | undefined> = []
      for (const [index, [kind]] of questions.entries()) again.push(await ask(kind, index))
      const text = (answers: unknown[]) => answers.map(String).join()
      if (text(given) !== text(expected) || text(again) !== text(expected)) {
        throw new Error(`${questions.map(([kind]) => kind).join()}: ${text(given)}, then ${text(again)}; expected ${text(expected)}`)
      }
    }), { numRuns: 15, examples: [[names.map(kind => [kind, false] as [string, boolean]), apps[0]!], [names.map(kind => [kind, false] as [string, boolean]), apps[1]!]] })
    t.ok((apps[0]!.permit.stats().batches?.splits ?? 0) > 0, 'batches were split')
  })

  t.test(`${name}: what could not be decided is 503 with a warning, in a burst as alone; it is neither cached nor covered by an old decision`, async t => {
    let broken: unknown
    const options = await optionsWith(t, wire, ({ url, body }, response) => {
      if (url === '/healthy' || (Array.isArray(body) && body.length === 0)) return false
      const keys = wire.keysOf(body)
      const answers = keys.map(key => broken !== undefined && key.startsWith('x') ? broken : wire.yes)
      sendJson(response, 200, url === wire.bulk ? { [wire.list]: answers } : answers[0])
      return true
    })
    for (broken of wire.undecided) {
      const shown = JSON.stringify(broken).slice(0, 80)
      const log = logSink()
      const app = fastifyFor(t, { logger: log.logger })
      await app.register(permit, { ...options, user: () => 'ann', cache: { ttl: 1, staleIfError: 60_000 } })
      app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'ok')
      const ask = async (...ids: string[]) => (await Promise.all(ids.map(id => app.inject(`/tasks/${id}`)))).map(({ statusCode }) => statusCode)
      const error = broken
      broken = undefined
      t.same(await ask('x1', 'x2', 'a'), [200, 200, 200])
      await new Promise(resolve => setTimeout(resolve, 5))
      broken = error
      t.same(await ask('x1'), [503], `alone: ${shown}`)
      t.same(await ask('x1', 'a', 'x2', 'b'), [503, 200, 503, 200], `in a burst: ${shown}`)
      t.same(await ask('x2', 'x1'), [503, 503], `again: ${shown}`)
      t.match(log.lines.filter(({ level }) => level === 40), [{ msg: /no decision from the PDP|rejects this question/, permit: { failure: 'undecided', reason: /could not decide/ } }], shown)
      broken = undefined
      t.same(await ask('x1', 'x2'), [200, 200], `and as soon as it can: ${shown}`)
    }
  })
}

t.test('a denial with a reason, and with a status that says why, is a denial', async t => {
  let context: unknown
  const app = fastifyFor(t)
  await app.register(permit, await optionsWith(t, authzenWire, (_request, response) => { sendJson(response, 200, { decision: false, context }); return true }) as PermitOptions)
  for (context of [{ reason: 'no' }, { error: null }, { error: false }, { errors: [] }, { status: 403 }, { status: 404 }, { status: 401 }, { status: 200 }, { status: 'ok' }, { status: {} }]) {
    t.equal(await app.permit.check('ann', 'read', `task:${JSON.stringify(context)}`), false, JSON.stringify(context))
  }
})
