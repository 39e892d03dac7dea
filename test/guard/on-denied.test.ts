// What goes out for a denied request, whatever the option onDenied does.
import t from 'tap'
import { ForbiddenError } from '../../src/contract/errors.js'
import { answerToDenied } from '../../src/guard/on-denied.js'

const log = { debug () {}, info () {}, error () {} }
const forbidden = new ForbiddenError()
const mine = new Error('mine')

interface Reply { sent: boolean }

t.test('the 403 is sent, or the error that it returns, or nothing if there is an answer already', async t => {
  const send = (reply: Reply) => { reply.sent = true }
  const cases: ReadonlyArray<readonly [name: string, onDenied: (request: unknown, reply: Reply) => unknown, out: Error | undefined]> = [
    ['nothing', () => {}, forbidden],
    ['something', () => 'something', forbidden],
    ['another reply', () => ({ sent: true }), forbidden],
    ['an error', () => mine, mine],
    ['an error, later', async () => mine, mine],
    ['the reply, to be sent later', (_request, reply) => reply, undefined],
    ['a reply that it has sent', (_request, reply) => { send(reply); return reply }, undefined],
    ['nothing, and has sent', (_request, reply) => send(reply), undefined],
    ['an error, and has sent', (_request, reply) => { send(reply); return mine }, undefined],
    ['it throws', () => { throw mine }, forbidden],
    ['it throws, and has sent', (_request, reply) => { send(reply); throw mine }, undefined],
    ['it rejects', async () => { throw mine }, forbidden],
    ['it throws nothing', () => { throw undefined }, forbidden] // eslint-disable-line no-throw-literal
  ]
  for (const [name, onDenied, out] of cases) {
    t.equal(await answerToDenied(onDenied as never, {}, { sent: false }, forbidden, ({ sent }) => sent, log), out, name)
  }
  const throwing = { ...log, error () { throw mine } }
  t.equal(await answerToDenied(() => { throw mine }, {}, {}, forbidden, () => false, throwing), forbidden, 'a log that throws')
})
