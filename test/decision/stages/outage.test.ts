// An outage is said once when it begins and once when it is over, with the clock in the test's hand.
import t from 'tap'
import { Outage, withOutageLog } from '../../../src/decision/stages/outage.js'
import { PdpError, UnavailableError } from '../../../src/contract/errors.js'
import { deferred } from '../../support/app.js'
import type { Decision, Query } from '../../../src/contract/point.js'

function outageWithClock () {
  const lines: string[] = []
  let now = 1_000
  const outage = new Outage({
    warn: (details, message) => { lines.push(`warn ${message} ${JSON.stringify(details)}`) },
    info: (details, message) => { lines.push(`info ${message} ${JSON.stringify(details)}`) }
  }, { now: () => now })
  return { lines, outage, pass: (milliseconds: number) => { now += milliseconds } }
}

t.test('a thousand refused checks are one log line, and the line at the end has their number', async t => {
  const { lines, outage, pass } = outageWithClock()
  for (let check = 0; check < 1_000; check++) {
    outage.failed('network', 'it is gone')
    pass(10)
  }
  t.same(lines, ['warn permit: no decision from the PDP: checks that the cache cannot answer get 503 (logged once for each kind of failure) ' +
    '{"permit":{"failure":"network","reason":"it is gone"}}'])
  pass(1_000)
  outage.decided()
  t.equal(lines.at(-1), 'info permit: the PDP answers checks again {"permit":{"failed":1000,"seconds":11}}')
  t.equal(lines.length, 2)
  t.equal(outage.isOn, false)
  outage.decided()
  t.equal(lines.length, 2)
})

t.test('while some checks fail and others do not, nothing more is logged', async t => {
  const { lines, outage, pass } = outageWithClock()
  for (let check = 0; check < 500; check++) {
    outage.failed('timeout', undefined)
    pass(50)
    outage.decided()
    pass(50)
  }
  t.equal(lines.length, 1)
})

t.test('another kind of failure is logged, too: a refused token after an unreachable PDP', async t => {
  const { lines, outage } = outageWithClock()
  outage.failed('network', 'a')
  outage.failed('token', 'b')
  outage.failed('network', 'c')
  outage.failed('token', 'd')
  t.same(lines.map(line => /"failure":"(\w+)"/.exec(line)?.[1]), ['network', 'token'])
})

t.test('an outage that continues is logged every minute, with the number of failed checks', async t => {
  const { lines, outage, pass } = outageWithClock()
  for (let second = 0; second < 181; second++) {
    outage.failed('network', undefined)
    pass(1_000)
  }
  t.equal(lines.length, 4)
  t.match(lines[1], /still no decision from the PDP .*"failed":61,"seconds":60/)
})

t.test('the next outage is logged again', async t => {
  const { lines, outage, pass } = outageWithClock()
  for (let round = 0; round < 3; round++) {
    outage.failed('network', undefined)
    pass(1_500)
    outage.decided()
    pass(1_500)
  }
  t.equal(lines.length, 6)
})

t.test('a caller that disconnects and an app that closes are not an outage', async t => {
  const lines: string[] = []
  const say = (_: object, message: string) => { lines.push(message) }
  for (const failure of ['abandoned', 'closed'] as const) {
    const answer = deferred<Decision>()
    const point = withOutageLog({ peek: () => undefined, decide: () => answer.promise.then(() => { throw new UnavailableError(new PdpError(failure, 'x')) }), stats: () => ({}) }, { warn: say, info: say })
    const asked = point.decide({} as Query, 0) as Promise<Decision>
    answer.resolve({ allow: true })
    await t.rejects(asked, { code: 'FST_PERMIT_UNAVAILABLE' })
  }
  t.same(lines, [])
})
