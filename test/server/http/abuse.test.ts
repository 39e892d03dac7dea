// What a connection can be misused for: requests that do not wait for answers, bodies in crumbs, answers that nobody reads.
import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { createLocalPdp } from '../../../src/server/index.js'
import { Beat, isBelow, ThreadClient } from '../../support/beat.js'
import { pdpFor, POLICY, TOKEN } from '../support.js'

const LONGEST = 50

const HEAD = `host: 127.0.0.1\r\nauthorization: Bearer ${TOKEN}\r\n`
const question = JSON.stringify({ user: { key: 'ada' }, action: 'read', resource: { type: 'task', tenant: 'acme' } })

async function attacked (t: Test) {
  const { url, app, get } = await pdpFor(t)
  const client = new ThreadClient()
  t.teardown(() => client.close())
  /** How long the loop was held, the least of a few, and what came back. */
  async function attack (raw: string) {
    let held = Infinity
    let bytesOut = 0
    let start = ''
    for (let attempt = 0; attempt < 4 && held > LONGEST; attempt++) {
      const beat = new Beat()
      beat.start()
      const exchange = await client.send({ url, raw })
      held = Math.min(held, beat.stop())
      bytesOut = exchange.bytesOut
      start = exchange.start
    }
    return { held, bytesOut, start }
  }
  return { url, app, get, attack }
}

t.test('pipelined requests are handled one after the other, in order, and other requests run in between', async t => {
  const { attack, get } = await attacked(t)
  const { held, bytesOut, start } = await attack(`${`GET /openapi.json HTTP/1.1\r\n${HEAD}\r\n`.repeat(19)}GET /openapi.json HTTP/1.1\r\nconnection: close\r\n${HEAD}\r\n`)
  t.ok(isBelow(held, LONGEST), `${held}`)
  t.match(start, /^HTTP\/1\.1 200 /)
  const { text } = await get('/openapi.json')
  t.ok(bytesOut > 20 * text.length, 'all of them are answered')
})

t.test('a connection with too many pipelined requests is closed', async t => {
  const { attack, get } = await attacked(t)
  for (const request of [
    `GET /healthy HTTP/1.1\r\n${HEAD}\r\n`,
    `GET /openapi.json HTTP/1.1\r\n${HEAD}\r\n`,
    `POST /allowed HTTP/1.1\r\n${HEAD}content-type: application/json\r\ncontent-length: ${question.length}\r\n\r\n${question}`
  ]) {
    const { held } = await attack(request.repeat(5_000))
    t.ok(isBelow(held, LONGEST), `${request.slice(0, 20)}: ${held}`)
  }
  t.equal((await get('/healthy')).status, 200)
})

t.test('a chunked body is accepted; a body in tiny chunks closes the connection', async t => {
  const { attack, get } = await attacked(t)
  const chunked = (pieces: string[]) => `POST /allowed HTTP/1.1\r\n${HEAD}connection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n` +
    `${pieces.map(piece => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`
  t.match((await attack(chunked([...question]))).start, /^HTTP\/1\.1 200 /, 'a short one, byte by byte')
  t.match((await attack(chunked(Array.from({ length: 5_000 }, () => ' '.repeat(100)).concat(question)))).start, /^HTTP\/1\.1 200 /)
  const { held, bytesOut } = await attack(chunked([...' '.repeat(300_000), question]))
  t.ok(isBelow(held, LONGEST), `${held}`)
  t.equal(bytesOut, 0)
  t.equal((await get('/healthy')).status, 200)
})

t.test('unread answers use a limited amount of memory, and more are refused', async t => {
  const app = createLocalPdp({ token: TOKEN, policy: { ...POLICY, users: { ...POLICY.users, large: { attributes: { text: 'x'.repeat(3_500_000) } } } } })
  t.teardown(() => app.close())
  const port = Number(new URL(await app.listen({ port: 0 })).port)
  const sockets = await Promise.all(Array.from({ length: 24 }, async () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.pause()
    // The system's buffers take some megabytes of what is not read.
    socket.write(`GET /facts/users/large HTTP/1.1\r\n${HEAD}\r\n`.repeat(8))
    return socket
  }))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  let status = 0
  for (let attempt = 0; attempt < 200 && status !== 503; attempt++) {
    status = (await fetch(`http://127.0.0.1:${port}/facts/users/large`, { headers: { authorization: `Bearer ${TOKEN}` } })).status
  }
  t.equal(status, 503)
  t.equal((await fetch(`http://127.0.0.1:${port}/healthy`)).status, 200, 'small answers are not concerned')
  for (const socket of sockets) socket.destroy()
  await Promise.all(sockets.map(socket => socket.closed || once(socket, 'close')))
  for (let attempt = 0; attempt < 200 && status !== 200; attempt++) {
    status = (await fetch(`http://127.0.0.1:${port}/facts/users/large`, { headers: { authorization: `Bearer ${TOKEN}` } })).status
  }
  t.equal(status, 200, 'when they are gone, it goes on')
})
