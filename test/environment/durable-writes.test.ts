// A disk that refuses writes: they fail, they are taken back, and what comes after is written again.
import t from 'tap'
import { DurableWrites } from '../../src/environment/durable-writes.js'
import type { Transaction } from '../../src/environment/transaction.js'
import type { Batch } from '../../src/environment/store.js'
import { deferred } from '../support/app.js'

/** A transaction is only passed through. */
const transaction = (name: string) => name as unknown as Transaction
const batch = (order: number): Batch => ({ records: [{ kind: 1, order, json: '{}' }], values: new Map() })

function writesTo (write: (batch: Batch) => Promise<void>) {
  const undone: unknown[] = []
  return { writes: new DurableWrites({ write }, transaction => { undone.push(transaction) }), undone }
}

t.test('writes that wait for the disk are committed together, in order', async t => {
  const written: number[][] = []
  const first = deferred<void>()
  const { writes } = writesTo(async ({ records }) => {
    written.push(records.map(({ order }) => order))
    if (written.length === 1) await first.promise
  })
  const all = [1, 2, 3, 4].map(order => writes.append(transaction(String(order)), batch(order)))
  first.resolve()
  await Promise.all(all)
  t.same(written, [[1], [2, 3, 4]])
  await writes.idle()
})

t.test('writes that the disk refuses are undone, together with later ones, in reverse order', async t => {
  const first = deferred<void>()
  let refuse = true
  const { writes, undone } = writesTo(async () => {
    await first.promise
    if (refuse) throw new Error('disk full')
  })
  const all = ['a', 'b', 'c'].map((name, order) => writes.append(transaction(name), batch(order)))
  const outcomes = Promise.allSettled(all)
  first.resolve()
  t.match(await outcomes, Array(3).fill({ status: 'rejected', reason: { message: 'disk full' } }))
  t.same(undone, ['c', 'b', 'a'])

  refuse = false
  await writes.append(transaction('d'), batch(4))
  t.same(undone.length, 3)
})
