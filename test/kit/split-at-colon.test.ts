// Splitting `type:key` at the first colon.
import t from 'tap'
import fc from 'fast-check'
import { splitAtColon, splitPair } from '../../src/kit/split-at-colon.js'

t.test('a text is split at its first colon and at no other', async t => {
  t.same(splitAtColon('task'), { before: 'task', after: undefined })
  t.same(splitAtColon('task:'), { before: 'task', after: '' })
  t.same(splitAtColon('task:a:b'), { before: 'task', after: 'a:b' })
  fc.assert(fc.property(fc.string().filter(type => !type.includes(':')), fc.string(), (type, key) => {
    const { before, after } = splitAtColon(`${type}:${key}`)
    return before === type && after === key
  }))
})

t.test('a pair has two parts that are not empty', async t => {
  t.same(splitPair('task:a:b'), { before: 'task', after: 'a:b' })
  for (const text of ['', 'task', ':', 'task:', ':1']) t.equal(splitPair(text), undefined, text)
})
