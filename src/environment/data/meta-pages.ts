// LMDB's first two pages: it writes them alternately, and silently uses the older one when the newer one is damaged.
import { open } from 'node:fs/promises'
import { DamageError } from './database.js'

/** Offsets in LMDB's page header and in the meta page after it. */
const PLACES = { magic: 24, version: 28, pageSize: 48, transaction: 152 }
const META_BYTES = 160
const MAGIC = 0xbeefc0de
const VERSION = 2
const PAGE_SIZES = { min: 512, max: 65_536 }

/**
 * Without this check, damage to the page of the latest transaction would restore the state before it, for example a role that was removed.
 *
 * @throws `DamageError` when the pages do not belong to two consecutive transactions
 */
export async function needAdjacentMetas (path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    const readMeta = async (at: number): Promise<Buffer> => {
      const page = Buffer.alloc(META_BYTES)
      const { bytesRead } = await file.read(page, 0, META_BYTES, at)
      if (bytesRead < META_BYTES) throw new DamageError('its first pages are missing')
      if (page.readUInt32LE(PLACES.magic) !== MAGIC) throw new DamageError(`there is no LMDB page at byte ${at}`)
      return page
    }
    const first = await readMeta(0)
    const pageSize = first.readUInt32LE(PLACES.pageSize)
    if (!(pageSize >= PAGE_SIZES.min && pageSize <= PAGE_SIZES.max)) throw new DamageError('its first page is damaged')
    const second = await readMeta(pageSize)
    for (const meta of [first, second]) {
      if ((meta.readUInt32LE(PLACES.version) & 0xffff) !== VERSION) {
        throw new DamageError('another version of LMDB wrote it, or its first pages are damaged')
      }
    }
    const [even, odd] = [first, second].map(meta => meta.readBigUInt64LE(PLACES.transaction)) as [bigint, bigint]
    const isNew = even === 0n && odd === 0n
    const areAdjacent = even % 2n === 0n && odd % 2n === 1n && (even - odd === 1n || odd - even === 1n)
    if (!isNew && !areAdjacent) throw new DamageError('its first pages do not belong together')
  } finally {
    await file.close()
  }
}
