// The soak in short: real processes, killed and hung under load. `npm run soak` is the long form.
import t from 'tap'
import { Ledger } from './ledger.js'
import { soak, tableOf, type Figures } from './soak.js'

/** What has to have happened before the result says anything. */
const ENOUGH: Readonly<Record<string, (figures: Figures) => boolean>> = {
  'there were faults': ({ faults }) => Object.values(faults).reduce((total, count) => total + count, 0) >= 2,
  'roles were taken away': ({ revocations }) => revocations.app > 5 && revocations.pdp > 5,
  'and there was something to judge': ({ judged, denied }) => judged > 500 && denied > 50
}

t.test('while the PDP is killed, hangs and recovers, and roles change, no wrong request is allowed', async t => {
  const enough = (figures: Figures) => Object.values(ENOUGH).every(holds => holds(figures))
  const result = await soak({ seconds: 10, enough, report: line => t.comment(line) })
  t.comment(`\n${tableOf(result)}`)
  t.same(result.violations, [])
  for (const [what, holds] of Object.entries(ENOUGH)) t.ok(holds(result.figures), what)
})

t.test('an answer is wrong only when no possible state explains it', async t => {
  const ttl = 60
  const ledger = new Ledger(ttl)
  for (const changedBy of ['app', 'pdp'] as const) {
    const judge = (asked: number, allowed: boolean) => ledger.judge(changedBy, asked, allowed)
    ledger.add(changedBy, changedBy)
    const before = performance.now()
    ledger.begin(changedBy)
    t.equal(judge(performance.now() + 1_000, true), 'undecidable', 'a change is under way')
    ledger.acknowledge(changedBy, 'revoked')
    const after = performance.now()
    t.equal(judge(before, true), 'undecidable', 'asked before it was acknowledged')
    t.equal(judge(after + 1, true), changedBy === 'app' ? 'wrong allow' : 'undecidable', 'asked just after it')
    t.equal(judge(after + ttl + 1, true), 'wrong allow', 'asked when nothing of before may be remembered')
    t.equal(judge(after + ttl + 1, false), 'right')
    ledger.acknowledge(changedBy, 'granted')
    t.equal(judge(performance.now() + ttl + 1, false), 'wrong deny')
    t.equal(judge(performance.now() + ttl + 1, true), 'right')
  }
})
