// A request that is refused before all of it has arrived: the client has its answer, however much it sends first, and not for longer than a while.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import Fastify from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { serverOptions, SERVER_LIMITS } from '../../../src/server/http/http-server.js'
import { sendFirst } from '../../support/sends-first.js'
import { pdpFor, TOKEN } from '../support.js'

const MIB = 1024 * 1024
const AUTHORIZED = `authorization: Bearer ${TOKEN}\r\n`
const JSON_TYPE = 'content-type: application/json\r\n'
const CLOSE = 'connection: close\r\n'

t.test('a client that sends everything before it reads gets the refusal', async t => {
  const { url, get } = await pdpFor(t)
  const post = (headers: string) => `POST /allowed HTTP/1.1\r\nhost: x\r\n${headers}`
  const refused: Array<[status: number | string, head: string, headers: string, sized: boolean]> = [
    [413, post(AUTHORIZED + JSON_TYPE), '', true],
    [413, `PATCH /facts/users/ada HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}${JSON_TYPE}`, '', true],
    [401, post(JSON_TYPE), CLOSE, true],
    [403, post(`authorization: Bearer wrong\r\n${JSON_TYPE}`), CLOSE, true],
    ['413|415', post(`${AUTHORIZED}content-type: text/plain\r\n`), CLOSE, true],
    ['404|413', `POST /nowhere HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}content-type: text/plain\r\n`, CLOSE, true],
    [431, 'GET /healthy HTTP/1.1\r\nhost: x\r\nx: ', '', false],
    [400, 'GET /heal thy HTTP/1.1\r\nhost: x\r\n', '', false],
    [400, 'no HTTP at all', '', false]
  ]
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(...refused), fc.boolean(), fc.integer({ min: 5 * MIB, max: 16 * MIB }),
    async ([status, head, headers, sized], chunked, size) => {
      const framing = chunked ? 'transfer-encoding: chunked\r\n' : `content-length: ${size}\r\n`
      const answer = await sendFirst(url, sized ? head + headers + framing : head, { size, chunked: sized && chunked })
      assert.match(answer, new RegExp(`^HTTP/1\\.1 (${status}) `), `${head.slice(0, 60)} ${framing}`)
    }
  ), { numRuns: 40 })
  t.equal((await get('/facts/users')).status, 200, 'and it goes on')
})

t.test('input after the last answer of a connection is ignored', async t => {
  const { url, get } = await pdpFor(t)
  const next = `POST /facts/users HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}${JSON_TYPE}content-length: 13\r\n\r\n{"key":"eve"}`
  const head = `POST /allowed HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}${JSON_TYPE}`
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.integer({ min: 0, max: 6 * MIB }), async (chunked, size) => {
    const answer = await sendFirst(url, `${head}${CLOSE}${chunked ? 'transfer-encoding: chunked' : `content-length: ${size}`}\r\n`, { size, chunked, then: next })
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1, `${size} ${chunked}`)
  }), { numRuns: 30 })
  t.equal((await get('/facts/users/eve')).status, 404)
})

t.test('a client that never stops sending is disconnected', async t => {
  const app = Fastify({ ...serverOptions('no token', { ...SERVER_LIMITS, lingerTimeout: 300 }), bodyLimit: 1_000 })
  t.teardown(() => app.close())
  app.post('/', async () => 'ok')
  const { port } = new URL(await app.listen({ port: 0 }))
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {}).resume()
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1000000000\r\n\r\n')
  const drip = setInterval(() => socket.write('x'.repeat(1_000)), 10)
  const from = performance.now()
  await new Promise(resolve => socket.once('close', resolve))
  clearInterval(drip)
  t.ok(performance.now() - from < 5_000)
})
