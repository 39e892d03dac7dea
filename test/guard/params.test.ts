// Promise 5: the request fills in values, never structure.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { Question } from '../../src/decision/query.js'
import { ForbiddenError } from '../../src/contract/errors.js'
import { compileAnnotation, type AskPermission } from '../../src/guard/compile-annotation.js'
import { guardedApp } from '../support/app.js'
import { assertCounted } from '../support/counted.js'

const annotated = { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }
const ann = { 'x-user': 'ann' }

t.test('a param becomes the key as the handler sees it', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/tasks/:id', annotated, async request => (request.params as { id: string }).id)
  for (const [path, key] of [
    ['7', '7'],
    ['a%20b', 'a b'],
    ['a%2Fb', 'a/b'],
    ['%25', '%'],
    ['a:b:c', 'a:b:c'],
    [':', ':'],
    ['user:1', 'user:1'],
    ['%7Bid%7D', '{id}'],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['%F0%9F%92%A9', '💩'],
    ['e%CC%81', 'e\u0301'],
    ['%C3%A9', '\u00e9'],
    ['%00', '\0']
  ]) {
    const { body, statusCode } = await app.inject({ url: `/tasks/${path}`, headers: ann })
    t.equal(statusCode, 200)
    t.equal(body, key)
    t.same(pdp.questions.pop()?.resource, { type: 'task', key, tenant: 'default' })
  }
})

t.test('an empty param is refused, and does not become a check of the type', async t => {
  const { app, pdp } = await guardedApp(t)
  let ran = 0
  app.get('/tasks/:id', annotated, async () => { ran++ })
  app.get('/maybe/:id?', annotated, async () => { ran++ })
  app.get('/files/*', { config: { permit: { action: 'retrieve', resource: 'file:{*}' } } }, async () => { ran++ })
  app.get('/two/:a/:b', { config: { permit: { action: 'retrieve', resource: 'task:{a}-{b}' } } }, async () => { ran++ })
  for (const url of ['/tasks/', '/maybe', '/maybe/', '/files/', '/two//x', '/two/x/']) {
    const { statusCode, json } = await app.inject({ url, headers: ann })
    t.equal(statusCode, 403, url)
    t.equal(json().code, 'FST_PERMIT_FORBIDDEN')
  }
  t.equal(ran, 0)
  t.same(pdp.questions, [])
})

t.test('an empty tenant is refused, and does not become the default tenant', async t => {
  const { app, pdp } = await guardedApp(t, { tenant: request => request.headers['x-tenant'] as string })
  app.get('/tasks/:id', annotated, async () => 'ok')
  t.equal((await app.inject({ url: '/tasks/1', headers: { ...ann, 'x-tenant': '' } })).statusCode, 403)
  t.same(pdp.questions, [])
})

t.test('a param that a schema converted to a number is the key that the handler sees', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/tasks/:id', {
    ...annotated, schema: { params: { type: 'object', properties: { id: { type: 'integer' } } } }
  }, async request => request.params)
  t.same((await app.inject({ url: '/tasks/007', headers: ann })).json(), { id: 7 })
  t.equal(pdp.questions[0]?.resource.key, '7')
})

t.test('a param that a hook replaced by an object is refused', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/tasks/:id', { ...annotated, preHandler: async request => { request.params = { id: { toString: () => 'x' } } } }, async () => 'ok')
  t.equal((await app.inject({ url: '/tasks/1', headers: ann })).statusCode, 500)
  t.same(pdp.questions, [])
})

t.test('a param that is only on the prototype is missing', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/tasks/:toString', {
    config: { permit: { action: 'retrieve', resource: 'task:{toString}' } }, preHandler: async request => { request.params = {} }
  }, async () => 'ok')
  t.equal((await app.inject({ url: '/tasks/1', headers: ann })).statusCode, 403)
  t.same(pdp.questions, [])
})

t.test('no value of a param changes the type, the tenant or the action', async t => {
  const { app, pdp } = await guardedApp(t, {}, { decide: () => true }, { routerOptions: { maxParamLength: 5000 } })
  app.get('/tasks/:id', annotated, async request => (request.params as { id: string }).id)
  await app.ready()
  await fc.assert(fc.asyncProperty(
    fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[:{}[\]",.\\/%#?&=a-z]*$/), fc.constantFrom('x","tenant":"acme', 'task:1', '{"type":"user"}')),
    async value => {
      let encoded: string
      // Lone surrogates have no URL, and the dots are what a client resolves before it asks.
      try { encoded = encodeURIComponent(value) } catch { return }
      if (value === '.' || value === '..') return
      pdp.questions.length = 0
      const { statusCode } = await app.inject({ url: `/tasks/${encoded}`, headers: ann })
      if (value === '') {
        assert.deepEqual([statusCode, pdp.questions.length], [403, 0])
        return
      }
      if (statusCode !== 200 || pdp.questions.length !== 1) throw new Error(`${statusCode} for ${JSON.stringify(value)}`)
      const { action, resource } = pdp.questions[0]!
      if (action !== 'retrieve' || resource.type !== 'task' || resource.tenant !== 'default' || resource.key !== value || Object.keys(resource).length !== 3) {
        throw new Error(JSON.stringify(pdp.questions[0]))
      }
    }
  ), { numRuns: 300 })
  t.pass('300 hostile values')
})

t.test('whatever the template, two requests check the same key only with the same params', async t => {
  const separator = fc.stringMatching(/^[-:a]{1,2}$/)
  const edge = fc.stringMatching(/^[-:a]{0,1}$/)
  // Made of what separates, and many at a time, so that they collide if anything does.
  const value = fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[-:a{}]{1,3}$/) }, { weight: 1, arbitrary: fc.constantFrom('', 1, 11, true, undefined) })
  const shape = fc.integer({ min: 1, max: 3 }).chain(count => fc.tuple(
    fc.array(separator, { minLength: count - 1, maxLength: count - 1 }), edge, edge,
    fc.array(fc.array(value, { minLength: count, maxLength: count }), { minLength: 30, maxLength: 60 })))

  let asked = 0
  await assertCounted(fc.property(shape, ([separators, before, after, requests]) => {
    const names = separators.map((_, index) => `p${index}`).concat('last')
    const template = before + names.map((name, index) => `{${name}}${separators[index] ?? ''}`).join('') + after
    const { ask } = compileAnnotation({ action: 'read', resource: { type: 'task', key: template } }, undefined) as { ask: AskPermission<FastifyRequest> }
    const askers = new Map<string, string>()
    for (const values of requests) {
      const params = Object.fromEntries(names.map((name, index) => [name, values[index]]))
      const question = ask({ params } as FastifyRequest, { key: 'ann' })
      if (question instanceof ForbiddenError) continue
      if (!(question instanceof Question)) return false
      asked++
      const { action, resource, user, context } = question
      if (action !== 'read' || resource.type !== 'task' || resource.tenant !== 'default' || user.key !== 'ann' || context !== undefined || resource.attributes !== undefined) return false
      if (values.some(value => value === undefined || value === '')) return false
      const who = JSON.stringify(values.map(String))
      if ((askers.get(question.key) ?? who) !== who) return false
      askers.set(question.key, who)
    }
    return true
  }), { numRuns: 500 }, () => {
    t.ok(asked > 2_500, `${asked} questions`)
  })
})
