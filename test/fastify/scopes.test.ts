// What is known of Fastify's instances: from it follows what a request costs, and what is looked at.
import t from 'tap'
import { descendantsOf, isUntouched, rootOf } from '../../src/fastify/scopes.js'
import { fastifyFor } from '../support/app.js'

t.test('an app is untouched until it has routes, scopes, or a 404 handler that looks like a route', async t => {
  const ok = async () => 'ok'
  const cases: ReadonlyArray<readonly [boolean, (app: ReturnType<typeof fastifyFor>) => void]> = [
    [true, () => {}],
    [true, app => { app.setNotFoundHandler(ok) }],
    [true, app => { app.setNotFoundHandler({ config: { permit: 'task:read' } } as never, ok) }],
    [true, app => { app.addHook('onRequest', async () => {}) }],
    [false, app => { app.get('/', ok) }],
    [false, app => { app.register(async () => {}) }],
    [false, app => { app.setNotFoundHandler({ config: { url: '/' } } as never, ok) }]
  ]
  for (const [expected, touch] of cases) {
    const app = fastifyFor(t)
    touch(app)
    let untouched: boolean | undefined
    app.register(Object.assign(async () => { untouched = isUntouched(app) }, { [Symbol.for('skip-override')]: true }))
    await app.ready()
    t.equal(untouched, expected, String(touch))
  }
})

t.test('the root and the descendants are found', async t => {
  const app = fastifyFor(t)
  await app.register(async one => {
    await one.register(async two => { t.equal(rootOf(two), app) })
    t.equal(descendantsOf(one).length, 1)
  })
  t.equal(rootOf(app), app)
  t.equal(descendantsOf(app).length, 2)
})
