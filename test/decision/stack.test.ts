// The stages put together as an app has them: what is answered, shared and remembered under any order of events.
import fc from 'fast-check'
import t from 'tap'
import { batched, type BatchOptions } from '../../src/decision/stages/batched.js'
import { cached } from '../../src/decision/stages/cached.js'
import { coalesced } from '../../src/decision/stages/coalesced.js'
import { Generations } from '../../src/decision/generations.js'
import { createQuery } from '../../src/decision/query.js'
import { PdpError, UnavailableError, type PdpFailure } from '../../src/contract/errors.js'
import type { BatchingPdp, Decision, Query } from '../../src/contract/point.js'
import { Slots } from '../../src/pdp/http/concurrency-limit.js'
import { assertCounted } from '../support/counted.js'

const TTL = 50
const USERS = ['ann', 'bob'] as const
const ACTIONS = ['read', 'write', 'list', 'close', 'open'] as const
/** More than what can be asked about, so that nothing is forgotten but by time and invalidation. */
const MAX = 100

interface Request {
  readonly queries: readonly Query[]
  /** What the PDP knew of each query's user when it got the request: the oldest that it may answer by. */
  readonly versions: readonly number[]
  readonly arrived: number
  readonly resolve: (decisions: Decision[]) => void
  readonly reject: (error: unknown) => void
}

type Failure = readonly [PdpFailure, number?] | 'short' | 'long'
/** Of every kind: such that are mended by asking in halves, one by one, or not at all. */
const FAILURES: readonly Failure[] = [['answer'], ['status', 422], ['status', 404], ['status', 503], ['network'], ['token', 403], 'short', 'long']

/** A path as an app has it, to a PDP whose answers the test gives. The truth is a version for each user. */
function stack ({ connections, ...options }: BatchOptions & { connections: number }) {
  const slots = new Slots(connections)
  const open: Request[] = []
  /** How many answers the PDP has given. */
  let answers = 0
  const version: Record<string, number> = { ann: 0, bob: 0 }
  let now = 1_000
  const clock = { now: () => now }
  const decideAll = (queries: readonly Query[]) => {
    slots.take()
    return new Promise<Decision[]>((resolve, reject) => {
      open.push({ queries, versions: queries.map(({ user }) => version[user.key] as number), arrived: now, resolve, reject })
    }).finally(() => slots.release())
  }
  const pdp: BatchingPdp = {
    name: 'by hand',
    slots,
    open: async () => {},
    peek: () => undefined,
    decide: async query => (await decideAll([query]))[0] as Decision,
    decideAll,
    permissions: () => ({}),
    health: () => ({ ok: true, pdp: 'by hand' }),
    stats: () => ({}),
    close: async () => {}
  }
  const generations = new Generations(1)
  const batches = batched(pdp, options, clock)
  const point = cached(coalesced(batches, generations), { ttl: TTL, max: MAX }, generations, clock)
  return {
    open,
    version,
    point,
    now: () => now,
    answers: () => answers,
    /** Says of each query which it is, by what it was decided, when the PDP got it, and which answer it is. */
    answer ({ queries, versions, arrived, resolve }: Request): void {
      answers++
      resolve(queries.map((query, index) => ({ allow: isAllowed(query), code: `${versions[index]} ${arrived} ${answers}`, reason: query.key })))
    },
    wait: (ms: number) => { now += ms },
    change (user: string | undefined) {
      for (const key of USERS) if (user === undefined || user === key) version[key] = (version[key] as number) + 1
      generations.invalidate(user)
    },
    close: () => batches.close(0)
  }
}

function isAllowed ({ user, action }: Query): boolean {
  return (user.key === 'ann') === (action !== 'write')
}

function fail (request: Request, failure: Failure): void {
  const alike = request.queries.map(() => ({ allow: true, code: 'a lie', reason: 'a lie' }))
  if (typeof failure === 'object') request.reject(new UnavailableError(new PdpError(failure[0], 'test', { status: failure[1] })))
  else if (request.queries.length === 1) request.reject(new UnavailableError(new PdpError('answer', 'test')))
  else request.resolve(failure === 'short' ? alike.slice(1) : [...alike, ...alike])
}

async function turns (): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

const question = fc.record({ user: fc.constantFrom(...USERS), action: fc.constantFrom(...ACTIONS) })
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), questions: fc.array(question, { minLength: 1, maxLength: 4 }), gone: fc.integer({ min: 0, max: 9 }).map(number => number === 0) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(9), failure: fc.constantFrom(...FAILURES) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), user: fc.constantFrom(...USERS, undefined) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'turn' as const }) })
const settings = fc.record({ connections: fc.integer({ min: 1, max: 3 }), batch: fc.integer({ min: 1, max: 4 }), queue: fc.constant(100) })

t.test('under any interleaving every caller gets the right answer or none, and none older than the last invalidation of the user', async t => {
  let served = { remembered: 0, answered: 0, failed: 0, bulk: 0 }
  await assertCounted(fc.asyncProperty(settings, fc.array(event, { minLength: 15, maxLength: 50 }), async (options, events) => {
    const path = stack(options)
    const { open, point, version } = path
    const given: Promise<void>[] = []
    const counts = { ...served }

    const check = (query: Query, least: number, { allow, code = '', reason }: Decision): void => {
      if (reason !== query.key) throw new Error(`${query.key} was told ${reason}`)
      if (allow !== isAllowed(query)) throw new Error(`${query.key} was told ${allow}`)
      if (Number(code.split(' ')[0]) < least) throw new Error(`asked at version ${least}, and told by ${code}`)
    }
    /** What is remembered is of now, and not too old. */
    const look = (): void => {
      for (const user of USERS) {
        for (const action of ACTIONS) {
          const query = createQuery(user, action, 'task')
          const known = point.peek(query)
          if (known === undefined) continue
          counts.remembered++
          check(query, version[user] as number, known)
          if (path.now() - Number(known.code?.split(' ')[1]) > TTL) throw new Error(`${query.key} is remembered for too long`)
        }
      }
    }
    const take = (which: number): Request | undefined => open.splice(which % (open.length || 1), 1)[0]

    for (const step of events) {
      if (step.do === 'ask') {
        for (const { user, action } of step.questions) {
          const query = createQuery(user, action, 'task')
          const least = version[user] as number
          const before = path.answers()
          const told = point.decide(query, Infinity, undefined, { destroyed: step.gone })
          if (told instanceof Promise) {
            given.push(told.then(decision => {
              counts.answered++
              check(query, least, decision)
              if (Number(decision.code?.split(' ')[2]) <= before) throw new Error('an answer that had been given already')
            }, error => {
              counts.failed++
              if (!(error instanceof UnavailableError)) throw error
            }))
          } else {
            check(query, least, told)
          }
        }
      } else if (step.do === 'answer' || step.do === 'fail') {
        const request = take(step.which)
        if (request === undefined) continue
        if (request.queries.length > 1) counts.bulk++
        const known = request.queries.filter(query => point.peek(query) !== undefined)
        if (step.do === 'answer') path.answer(request)
        else fail(request, step.failure)
        await turns()
        for (const query of known) if (point.peek(query) === undefined) throw new Error(`an old answer took the place of what was known of ${query.key}`)
      } else if (step.do === 'change') {
        path.change(step.user)
      } else if (step.do === 'wait') {
        path.wait(step.ms)
      } else {
        await turns()
      }
      look()
    }
    // Nobody is left without a word.
    const all = Promise.all(given)
    const state = { pending: true }
    all.finally(() => { state.pending = false }).catch(() => {})
    for (let rest = 0; state.pending; rest++) {
      if (rest > 500) throw new Error('somebody is never told anything')
      const request = take(0)
      if (request !== undefined) path.answer(request)
      await turns()
    }
    await all
    look()
    await path.close()
    served = counts
  }), { numRuns: 300 }, () => {
    t.ok(served.remembered > 500 && served.answered > 500 && served.failed > 100 && served.bulk > 100, JSON.stringify(served))
  })
})
