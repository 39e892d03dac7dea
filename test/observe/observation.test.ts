// The diagnostics channel: subscribers hear of every check, and change none.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import { CHECK_CHANNEL, type CheckMessage } from '../../src/index.js'
import { Observation } from '../../src/observe/observation.js'
import { createQuery } from '../../src/decision/query.js'
import { guardedApp } from '../support/app.js'

type Kind = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'

function listen (t: Test, kinds: readonly Kind[]) {
  const heard: [Kind, CheckMessage][] = []
  for (const kind of kinds) {
    const listener = (message: unknown) => { heard.push([kind, { ...message as CheckMessage }]) }
    subscribe(`tracing:${CHECK_CHANNEL}:${kind}`, listener)
    t.teardown(() => unsubscribe(`tracing:${CHECK_CHANNEL}:${kind}`, listener))
  }
  return heard
}

t.test('checks with the PDP, from the cache and without a decision are published', async t => {
  const heard = listen(t, ['start', 'end', 'asyncStart', 'asyncEnd', 'error'])
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 60_000 } })
  await app.permit.check('ann', 'read', 'task')
  t.same(heard.splice(0).map(([kind, { decision, source }]) => [kind, decision?.allow, source]),
    [['start', undefined, undefined], ['end', undefined, undefined], ['asyncStart', true, 'pdp'], ['asyncEnd', true, 'pdp']])
  await app.permit.check('ann', 'read', 'task')
  t.same(heard.splice(0).map(([kind, { decision, source, duration }]) => [kind, decision?.allow, source, typeof duration]),
    [['start', undefined, undefined, 'undefined'], ['end', true, 'cache', 'number']])
  pdp.options.intercept = (_request, response) => { response.writeHead(400).end(); return true }
  await t.rejects(app.permit.check('bob', 'read', 'task'))
  const failed = heard.splice(0)
  t.ok(failed.some(([kind, { error, query }]) => kind === 'error' && (error as { code?: string }).code === 'FST_PERMIT_UNAVAILABLE' && query.user.key === 'bob'))
})

t.test('guards are published like checks', async t => {
  const heard = listen(t, ['asyncEnd'])
  const { app } = await guardedApp(t)
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async () => 'ok')
  await app.inject({ url: '/tasks/7', headers: { 'x-user': 'eve' } })
  t.match(heard, [['asyncEnd', { query: { user: { key: 'eve' }, resource: { type: 'task', key: '7' } }, decision: { allow: false }, source: 'pdp' }]])
})

t.test('without subscribers nothing is measured', async t => {
  t.equal(new Observation().active, false)
  listen(t, ['asyncEnd'])
  t.equal(new Observation().active, true)
})

t.test('whatever a wrapper of a check does, the check runs once, and the wrapper cannot answer it', async t => {
  const failures: unknown[] = []
  const observation = new Observation(error => failures.push(error))
  const within: string[] = []
  for (const [name, call] of [
    ['good', (ask: () => void) => { ask() }],
    ['forgetful', () => {}],
    ['eager', (ask: () => void) => { ask(); ask(); return { allow: true } }],
    ['broken', () => { throw new Error('broken') }]
  ] as const) {
    observation.add({ started: () => name, within (begun, ask) { within.push(String(begun)); call(ask) }, ended () {} })
  }
  let asked = 0
  const decision = await observation.watch(createQuery('ann', 'read', 'task'), undefined, () => 'pdp', async () => { asked++; return { allow: false } })
  t.same(decision, { allow: false })
  t.equal(asked, 1)
  t.same(within.filter((name, index) => within.indexOf(name) === index), ['good', 'forgetful', 'eager', 'broken'])
  t.match(failures[0], { message: 'broken' })
})

t.test('an error of an observer is reported, and changes neither a decision nor a failure', async t => {
  const failures: unknown[] = []
  const observation = new Observation(error => failures.push(error))
  observation.add({ started () { throw new Error('at the start') }, ended () { throw new Error('at the end') }, sent () { throw new Error('on the way') } })
  const query = createQuery('ann', 'read', 'task')
  t.same(await observation.watch(query, undefined, () => 'pdp', async () => ({ allow: false })), { allow: false })
  await t.rejects(observation.watch(query, undefined, () => 'pdp', async () => { throw new Error('none') }), { message: 'none' })
  observation.answered(query, { allow: false }, 'cache', 0, undefined)
  observation.sent(1)
  t.equal(failures.length, 6)
})
