// The two pages at which LMDB begins: it writes them in turns, and takes the older one without a word when the newer one is damaged.
import { open } from 'node:fs/promises'
import { DamageError } from './database.js'

/** LMDB's page header, and the fields of a meta page behind it that matter here, by their place. */
const PLACES = { magic: 24, version: 28, pageSize: 48, transaction: 152 }
const META_BYTES = 160
const MAGIC = 0xbeefc0de
const VERSION = 2
const PAGE_SIZES = { min: 512, max: 65_536 }

/**
 * Without this, damage to the page of the latest transaction would bring back what was there before it: a role that was taken away, say.
 *
 * @throws `DamageError` when the pages are not those of two transactions in a row
 */
export async function needAdjacentMetas (path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    const readMeta = async (at: number): Promise<Buffer> => {
      const page = Buffer.alloc(META_BYTES)
      const { bytesRead } = await file.read(page, 0, META_BYTES, at)
      if (bytesRead < META_BYTES) throw new DamageError('its first pages are missing')
      if (page.readUInt32LE(PLACES.magic) !== MAGIC) throw new DamageError(`there is no page of LMDB's at byte ${at}`)
      return page
    }
    const first = await readMeta(0)
    const pageSize = first.readUInt32LE(PLACES.pageSize)
    if (!(pageSize >= PAGE_SIZES.min && pageSize <= PAGE_SIZES.max)) throw new DamageError('its first page is damaged')
    const second = await readMeta(pageSize)
    for (const meta of [first, second]) {
      if ((meta.readUInt32LE(PLACES.version) & 0xffff) !== VERSION) throw new DamageError('it is of another version of LMDB, or its first pages are damaged')
    }
    const [even, odd] = [first, second].map(meta => meta.readBigUInt64LE(PLACES.transaction)) as [bigint, bigint]
    const isNew = even === 0n && odd === 0n
    const areAdjacent = even % 2n === 0n && odd % 2n === 1n && (even - odd === 1n || odd - even === 1n)
    if (!isNew && !areAdjacent) throw new DamageError('its first pages do not belong together')
  } finally {
    await file.close()
  }
}
