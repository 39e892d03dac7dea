// A bus of the app's own that does what no bus should: the app starts, writes and closes all the same, and decisions get no older than promised.
import { EventEmitter } from 'node:events'
import t from 'tap'
import permit, { type CustomBus } from '../../src/index.js'
import { fastifyFor, optionsFor } from '../support/app.js'
import { revocablePdp } from '../fleet/two-instances.js'

const DEGRADED_TTL = 500
/** What hangs, hangs for ever: this much is for a machine with other tests, ms. */
const SLACK = 5_000

const never = () => new Promise<never>(() => {})

/** A bus that works, and what is changed of it. */
function busWith (change: (works: CustomBus, emitter: EventEmitter) => Partial<CustomBus>): CustomBus {
  const emitter = new EventEmitter()
  const works: CustomBus = {
    publish: (channel, message) => { setImmediate(() => emitter.emit(channel, message)) },
    subscribe (channel, listener) {
      emitter.on(channel, listener)
      return () => emitter.off(channel, listener)
    }
  }
  return { ...works, ...change(works, emitter) }
}

/** What an app may hand over by mistake: everything that is not a message. */
const NONSENSE: unknown[] = ['', 'x', null, undefined, 7, {}, [], Symbol('x'), Buffer.from('x'), { toString () { throw new Error('hostile') } }, 'a'.repeat(1_000_000)]

const later = () => new Promise(resolve => setTimeout(resolve, 300 * Math.random()))

const buses: Record<string, () => CustomBus> = {
  'publish never resolves': () => busWith(() => ({ publish: never })),
  'publish throws': () => busWith(() => ({ publish () { throw new Error('no') } })),
  'publish rejects': () => busWith(() => ({ publish: async () => { throw new Error('no') } })),
  'publish resolves, and nothing is sent': () => busWith(() => ({ async publish () {} })),
  'publish returns a thenable that throws': () => busWith(() => ({ publish: () => ({ then () { throw new Error('no') } }) })),
  'subscribe never resolves': () => busWith(() => ({ subscribe: never })),
  'subscribe throws': () => busWith(() => ({ subscribe () { throw new Error('no') } })),
  'ending the subscription never resolves': () => busWith(({ subscribe }) => ({ subscribe (...args) { subscribe(...args); return never } })),
  'ending the subscription throws': () => busWith(({ subscribe }) => ({ subscribe (...args) { subscribe(...args); return () => { throw new Error('no') } } })),
  'it hears itself before publish returns': () => busWith((_, emitter) => ({ publish: (channel, message) => emitter.emit(channel, message) })),
  'it delivers each message twice, late and out of order': () => busWith((_, emitter) => ({
    publish (channel, message) {
      for (let copy = 0; copy < 2; copy++) later().then(() => emitter.emit(channel, message), () => {})
    }
  })),
  'it loses every other message': () => busWith(({ publish }) => { let count = 0; return { publish: (...args) => ++count % 2 === 0 ? undefined : publish(...args) } }),
  'it delivers nonsense': () => busWith(({ publish }, emitter) => ({
    publish (channel, message) {
      publish(channel, message)
      for (const nonsense of NONSENSE) emitter.emit(channel, nonsense)
    }
  })),
  'it floods': () => busWith(({ publish }, emitter) => ({
    publish (channel, message) {
      publish(channel, message)
      for (let count = 0; count < 2_000; count++) emitter.emit(channel, message)
    }
  })),
  'it only repeats its first message': () => {
    let first: string | undefined
    return busWith(({ publish }) => ({
      publish (channel, message) {
        first ??= message
        publish(channel, first)
      }
    }))
  }
}

t.test('with any behaviour of a bus, an app starts, no write hangs, and no decision is used for longer than degradedTtl', async t => {
  const { pdp, allowed } = await revocablePdp(t)
  await Promise.all(Object.entries(buses).map(async ([name, create]) => {
    const bus = create()
    const begun = performance.now()
    const [a, b] = await Promise.all([0, 1].map(async () => {
      const app = fastifyFor(t)
      await app.register(permit, optionsFor(pdp, {
        cache: { ttl: 3_600_000 }, timeout: 5_000, bus: { client: bus, secret: 'a secret of all instances', degradedTtl: DEGRADED_TTL }
      }))
      await app.ready()
      return app
    })) as [ReturnType<typeof fastifyFor>, ReturnType<typeof fastifyFor>]
    t.ok(performance.now() - begun < 2_000 + SLACK, `${name}: it starts`)
    // Each bus is of an app of its own: the users differ.
    const user = `user of ${name}`
    allowed.add(user)
    t.equal(await b.permit.check(user, 'read', 'task'), true, name)
    const writing = performance.now()
    await a.permit.write(a.permit.api.unassignRole(user, 'reader', 'default'))
    const resolved = performance.now()
    t.ok(resolved - writing < 250 + SLACK, `${name}: the write took ${Math.round(resolved - writing)} ms`)
    t.equal(await a.permit.check(user, 'read', 'task'), false, `${name}: the writer knows at once`)
    let [asked, allow] = [0, true]
    while (allow) {
      asked = performance.now()
      allow = await b.permit.check(user, 'read', 'task')
      if (allow && asked - resolved > DEGRADED_TTL) throw new Error(`${name}: a role was used ${asked - resolved} ms after its end`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    const closing = performance.now()
    await Promise.all([a.close(), b.close()])
    t.ok(performance.now() - closing < 2_000 + SLACK, `${name}: it closes`)
  }))
})

t.test('a system clock that jumps changes nothing', async t => {
  const { pdp, allowed } = await revocablePdp(t)
  const bus = busWith(() => ({}))
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { cache: { ttl: 3_600_000 }, bus: { client: bus, secret: 'a secret of all instances' } }))
  await app.ready()
  allowed.add('ann')
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  const asked = pdp.questions.length
  const { now } = Date
  t.teardown(() => { Date.now = now })
  for (const jump of [-10 * 365, 10 * 365]) {
    Date.now = () => now() + jump * 86_400_000
    t.equal(await app.permit.check('ann', 'read', 'task'), true)
    t.match(await app.permit.health(), { bus: { ok: true } })
  }
  t.equal(pdp.questions.length, asked, 'the decision is kept')
  await app.permit.write(app.permit.api.unassignRole('ann', 'reader', 'default'))
  t.equal(await app.permit.check('ann', 'read', 'task'), false)
})
