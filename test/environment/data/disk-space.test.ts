// Room is made before a commit (kind: a disk that is full in the middle of a write): lmdb itself never makes the file longer.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { loadLmdb, openDatabase } from '../../../src/environment/data/database.js'
import { makeLockFile, Room } from '../../../src/environment/data/disk-space.js'

/** How many entries a commit has, how long they are, which share of them replaces older ones, and which of those only removes. */
interface Commit {
  readonly entries: number
  readonly length: number
  readonly replaced: number
  readonly removed: number
}

const commits: fc.Arbitrary<Commit[]> = fc.array(fc.record({
  entries: fc.constantFrom(1, 1, 3, 20, 300, 1_500),
  length: fc.constantFrom(1, 100, 500, 1_100, 1_500, 3_000, 9_000, 60_000),
  replaced: fc.integer({ min: 0, max: 100 }),
  removed: fc.integer({ min: 0, max: 100 })
}).filter(({ entries, length }) => entries * length < 2_000_000), { minLength: 5, maxLength: 25 })

t.test('a commit refers only to pages that were written before', async t => {
  const lmdb = await loadLmdb()
  const dir = t.testdir()
  let databases = 0
  await fc.assert(fc.asyncProperty(commits, async commits => {
    const path = join(dir, `${databases++}.mdb`)
    await makeLockFile(path)
    const { root, records, values } = openDatabase(lmdb, path)
    const room = new Room(path, root, records)
    let order = 0
    // Chosen by arithmetic: spread over the whole tree, so that each comes to lie on a page of its own.
    const known = (n: number): number => 1 + (n * 7_919) % Math.max(1, order)
    for (const { entries, length, replaced, removed } of commits) {
      const changes = Array.from({ length: entries }, (_, n) => {
        const isOld = n % 100 < replaced
        return { kind: 1 + n % 5, order: isOld ? known(n) : ++order, json: isOld && (n * 31) % 100 < removed ? undefined : 'x'.repeat(1 + (n * 613) % length) }
      })
      await room.make([...changes, { json: '{}' }])
      const { size } = await stat(path)
      await root.batch(() => {
        for (const { kind, order, json } of changes) {
          if (json === undefined) records.remove([kind, order]).catch(() => {})
          else records.put([kind, order], json).catch(() => {})
        }
        values.put('contents', '{}').catch(() => {})
      })
      const { pageSize, lastPageNumber } = root.getStats() as { pageSize: number, lastPageNumber: number }
      if ((lastPageNumber + 1) * pageSize > size) throw new Error(`${entries} entries of up to ${length} took ${lastPageNumber + 1} pages; there were ${size / pageSize}`)
    }
    await root.close()
  }), { numRuns: 25 })
  t.pass(`${databases} databases`)
})
