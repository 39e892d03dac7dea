// Slots, and those of them that are held for what is not on its way yet.
import t from 'tap'
import { HeldSlots, Slots } from '../../../src/pdp/http/concurrency-limit.js'

t.test('a reserved slot is not free; when it is released, this is reported', async t => {
  const slots = new Slots(2)
  const held = new HeldSlots(slots)
  let told = 0
  held.onFree(() => { told++ })
  held.hold()
  t.equal(held.free, 1)
  held.hold()
  t.equal(held.free, 0)
  slots.take()
  t.equal(held.free, 0, 'never less than none')
  held.release()
  t.same([held.free, told], [0, 0], 'one is on its way, the other still held')
  held.release()
  t.same([held.free, told], [1, 1])
  slots.release()
  t.same([held.free, told], [2, 2])
})

t.test('a slot that becomes free and is reserved at once is not reported', async t => {
  const slots = new Slots(1)
  const held = new HeldSlots(slots)
  let told = 0
  held.onFree(() => { told++ })
  held.hold()
  slots.take()
  slots.release()
  t.same([held.free, told], [0, 0])
})
