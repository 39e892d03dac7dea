// The log says why: what the PDP says of a question that it rejects, without what must not be there, and never to the client.
import fc from 'fast-check'
import type { ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import permit from '../../../src/index.js'
import { errorTextOf } from '../../../src/pdp/http/pdp-error-text.js'
import { fastifyFor, logSink, optionsFor, pdpFor } from '../../support/app.js'
import { sendJson } from '../../support/fake-pdp.js'

const TOKEN = 'a-token-that-stays-in'

async function start (t: Test, answer: (response: ServerResponse) => void) {
  const pdp = await pdpFor(t, {
    token: TOKEN,
    intercept: ({ url }, response) => {
      if (url === '/allowed') answer(response)
      return url === '/allowed'
    }
  })
  const log = logSink()
  const app = fastifyFor(t, { logger: log.logger })
  const user = () => ({ key: 'ann', attributes: { ssn: '123-45-6789' } })
  await app.register(permit, optionsFor(pdp, { user, retries: 0, timeout: 2_000 }))
  app.get('/', { config: { permit: 'document:share' } }, async () => 'ok')
  const ask = async () => {
    const { statusCode, headers, body } = await app.inject('/')
    return { statusCode, retryAfter: headers['retry-after'], body }
  }
  return { ask, log, warnings: () => log.lines.filter(({ level }) => level === 40) }
}

t.test('the words of a PDP are in the log with action and type, and not in the response; Retry-After is longer', async t => {
  const bodies: unknown[] = [
    { code: 'validation_error', message: "relation 'document#share' not found" }, { detail: "relation 'document#share' not found" },
    { detail: [{ loc: ['body'], msg: "relation 'document#share' not found" }] }, { error: { message: "relation 'document#share' not found" } }, "relation 'document#share' not found"
  ]
  for (const status of [400, 404, 422]) {
    for (const body of bodies) {
      const { ask, warnings } = await start(t, response => {
        const text = JSON.stringify(body)
        response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
      })
      const answer = await ask()
      t.match(answer, { statusCode: 503, retryAfter: '30' })
      t.notMatch(answer.body, /share|relation/)
      t.match(warnings(), [{ msg: /rejects this question/, permit: { failure: 'status', reason: `the PDP responded with status ${status}: relation 'document#share' not found`, action: 'share', type: 'document' } }])
      await ask()
      t.equal(warnings().length, 1, 'once a minute')
    }
  }
})

t.test('a PDP that fails says why, too; that is an outage', async t => {
  const { ask, warnings } = await start(t, response => {
    response.writeHead(500, { 'content-type': 'application/json', 'content-length': 29 }).end('{"message":"datastore gone "}')
  })
  t.match(await ask(), { statusCode: 503, retryAfter: '1' })
  t.match(warnings(), [{ msg: /no decision from the PDP/, permit: { reason: 'the PDP responded with status 500: datastore gone', action: 'share', type: 'document' } }])
})

t.test('the token, values of attributes and control characters do not get into the log, and the words are bounded', async t => {
  const said = `bad \u001b[31m token ${TOKEN}, ssn 123-45-6789, ${'x'.repeat(2_000)}`
  const { ask, log, warnings } = await start(t, response => {
    const text = JSON.stringify({ message: said })
    response.writeHead(400, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
  })
  await ask()
  const [{ permit: { reason } }] = warnings() as unknown as [{ permit: { reason: string } }]
  t.match(reason, /bad \\u001b\[31m token …, ssn …, xxx/)
  t.ok(reason.length < 400)
  t.notMatch(log.text(), TOKEN)
  t.notMatch(log.text(), '123-45-6789')
})

t.test('the token is in no log, error or health, wherever a PDP quotes it: checks, writes, probes and readiness', async t => {
  const json = { 'content-type': 'application/json' }
  const quotes: Array<(response: ServerResponse, said: string) => unknown> = [401, 403, 422, 500].map(status => (response, said) => sendJson(response, status, { message: said, detail: said }))
  quotes.push(
    (response, said) => response.writeHead(500, { 'content-type': 'text/plain', 'content-length': said.length }).end(said),
    (response, said) => response.writeHead(200, { 'content-type': said }).end(said),
    (response, said) => response.writeHead(200, { 'content-type': `text/${'x'.repeat(30)}${said}` }).end('{}'),
    (response, said) => response.writeHead(200, { ...json, 'content-encoding': said }).end('{}'),
    (response, said) => response.writeHead(200, json).end(said),
    (response, said) => sendJson(response, 200, { [said]: said, allow: said, decision: said, results: said }),
    (response, said) => response.writeHead(302, { location: `/${said}` }).end(),
    (response, said) => response.writeHead(429, { 'retry-after': said }).end(),
    (response, said) => response.writeHead(500, said).end()
  )
  for (const protocol of ['permit', 'authzen'] as const) {
    for (const [index, quote] of quotes.entries()) {
      const pdp = await pdpFor(t, { token: TOKEN, intercept: ({ headers }, response) => { quote(response, String(headers.authorization).slice('Bearer '.length)); return true } })
      const log = logSink()
      const app = fastifyFor(t, { logger: log.logger })
      await app.register(permit, optionsFor(pdp, { protocol, retries: 0, timeout: 500, readiness: '/healthy', user: () => 'ann' }))
      app.get('/', { config: { permit: 'document:share' } }, async () => 'in')
      const texts = [(await app.inject('/')).body]
      const asked = [
        app.permit.check('ann', 'share', 'document'), app.permit.plan('ann', 'share', 'document'), app.permit.permissions('ann'),
        app.permit.searchActions('ann', 'document').toArray(), app.permit.write(app.permit.api.syncUser({ key: 'ann' }))
      ]
      for (const result of await Promise.allSettled(asked)) texts.push(inspect(result, { depth: 9, showHidden: true }))
      texts.push(JSON.stringify([await app.permit.health(), app.permit.stats()]), log.text())
      for (const [place, text] of texts.entries()) t.equal(text.includes(TOKEN), false, `${protocol}, quote ${index}, place ${place}`)
      await app.close()
    }
  }
})

t.test('whatever the body of an error does, the error is soon there, with its status', async t => {
  const bodies: Array<(response: ServerResponse) => void> = [
    response => { response.writeHead(400, { 'content-type': 'application/json', 'content-length': 500 }); response.write('{') },
    response => { response.writeHead(400, { 'content-type': 'application/json', 'content-length': 500 }); response.write('{'); setImmediate(() => response.destroy()) },
    response => { response.writeHead(400, { 'content-type': 'application/json' }); response.write('{') },
    response => { response.writeHead(400, { 'content-type': 'text/html' }).end('<p>') },
    response => { response.writeHead(400, { 'content-type': 'application/json', 'content-length': 1 }).end('{') },
    response => { response.writeHead(400).end() },
    response => sendJson(response, 400, { message: { message: 7 } })
  ]
  for (const [index, body] of bodies.entries()) {
    const { ask, warnings } = await start(t, body)
    const begun = performance.now()
    t.match(await ask(), { statusCode: 503, retryAfter: '30' }, String(index))
    t.ok(performance.now() - begun < 1_500, String(index))
    t.match(warnings(), [{ permit: { reason: 'the PDP responded with status 400' } }], String(index))
  }
})

t.test('no value of a question is quoted, whatever the question and the words', t => {
  const value = fc.string({ minLength: 3, maxLength: 12 }).filter(text => text.trim() === text && !'…'.includes(text))
  fc.assert(fc.property(value, value, fc.string(), (secret, attribute, around) => {
    const request = JSON.stringify({ user: { key: 'ann', attributes: { a: [attribute] } }, context: { deep: { secret } } })
    const words = errorTextOf(JSON.stringify({ message: `${around}${attribute}${secret}` }), true, request, undefined) ?? ''
    if (words.includes(secret) || words.includes(attribute)) throw new Error(JSON.stringify({ words, secret, attribute }))
  }), { numRuns: 200, examples: [['abc', 'abcd', 'x']] })
  t.equal(errorTextOf('{"message":"abcd"}', true, '{"context":{"a":"abc","b":"abcd"}}', undefined), '…')
  t.end()
})
