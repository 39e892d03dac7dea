// The format of a backup: lines of JSON with a checksum at the end. It is read without lmdb, and detects every missing or altered byte.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { DataError } from '../../contract/errors.js'
import { readJson } from '../../kit/read-json.js'
import { complaintAboutFormat, FORMAT, type HeldRecord, type HeldValue } from './database.js'

/** Identifies the format in the first line. */
const KIND = 'fastify-permit backup'
const VERSION = 1

/** The longest line, bytes. The longest real one is a schema. */
const MAX_LINE = 256 * 1024 * 1024

const NEWLINE = 0x0a

/** How many characters are sent before other work gets its turn. */
const CHUNK = 32 * 1024

/** The first line of a backup. */
export interface BackupHead {
  /** ISO 8601. */
  readonly createdAt: string
  readonly records: number
}

/** The content of a backup: a database at one moment. */
export interface Snapshot {
  readonly records: number
  held (): Iterable<HeldRecord | HeldValue>
}

/** The text of a backup, in chunks. */
export function * backupText ({ records, held }: Snapshot): Generator<string> {
  const hash = createHash('sha256')
  let lines = `${JSON.stringify({ kind: KIND, version: VERSION, format: FORMAT, created_at: new Date().toISOString(), records })}\n`
  let count = 0
  for (const entry of held()) {
    if (!('name' in entry)) count++
    lines += `${JSON.stringify('name' in entry ? [entry.name, entry.json] : [entry.kind, entry.order, entry.json])}\n`
    if (lines.length < CHUNK) continue
    hash.update(lines)
    yield lines
    lines = ''
  }
  hash.update(lines)
  yield `${lines}${JSON.stringify({ end: true, records: count, sha256: hash.digest('hex') })}\n`
}

/** A backup that is being read. */
interface BackupReading {
  readonly head: BackupHead
  /** The entries. Throws at the end if the backup is incomplete, so nothing may be used before the end. */
  readonly held: AsyncGenerator<HeldRecord | HeldValue>
}

/**
 * Reads a backup.
 *
 * @param from the path of a file, or its bytes as a stream
 * @throws `DataError` when it is not a backup, or not one that this version can read
 */
export async function readBackup (from: string | AsyncIterable<Buffer>, name: string): Promise<BackupReading> {
  const lines = linesOf(typeof from === 'string' ? createReadStream(from) : from, name)
  const hash = createHash('sha256')
  const first = await lines.next()
  if (first.done === true) throw damaged(name, 'it is empty')
  const head = headOf(first.value, name)
  hash.update(first.value)
  return { head, held: heldIn(lines, hash, head, name) }
}

async function * heldIn (
  lines: AsyncGenerator<Buffer>, hash: ReturnType<typeof createHash>, head: BackupHead, name: string
): AsyncGenerator<HeldRecord | HeldValue> {
  let count = 0
  for (;;) {
    const next = await lines.next()
    if (next.done === true) throw damaged(name, 'its end is missing')
    const line = parsed(next.value, name)
    if (!Array.isArray(line)) {
      const { end, records, sha256 } = line as { end?: unknown, records?: unknown, sha256?: unknown }
      const isWhole = end === true && records === count && count === head.records && sha256 === hash.digest('hex')
      if (!isWhole) throw damaged(name, 'its checksum does not match')
      if ((await lines.next()).done !== true) throw damaged(name, 'there is data after its end')
      return
    }
    hash.update(next.value)
    const [first, second, third] = line as unknown[]
    if (line.length === 2 && typeof first === 'string' && typeof second === 'string') {
      yield { name: first, json: second }
    } else if (line.length === 3 && Number.isSafeInteger(first) && Number.isSafeInteger(second) && typeof third === 'string') {
      count++
      yield { kind: first as number, order: second as number, json: third }
    } else {
      throw damaged(name, 'it contains an invalid line')
    }
  }
}

function headOf (line: Buffer, name: string): BackupHead {
  const { kind, version, format, created_at: createdAt, records } = Object(parsed(line, name)) as Record<string, unknown>
  if (kind !== KIND) throw new DataError(`${name} is not a backup of fastify-permit`)
  if (version !== VERSION) {
    throw new DataError(`the backup ${name} has version ${String(version)}; this version of fastify-permit reads ${VERSION}: upgrade it`)
  }
  const complaint = typeof format === 'string' ? complaintAboutFormat(format) : undefined
  if (complaint !== undefined) throw new DataError(`the backup ${name} ${complaint}`)
  const isComplete = typeof format === 'string' && typeof createdAt === 'string' && typeof records === 'number'
  if (!isComplete) throw damaged(name, 'its first line is incomplete')
  return { createdAt, records }
}

/** Splits the bytes into lines, including the line break. The last line must have one, too. */
async function * linesOf (bytes: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = []
  let length = 0
  for await (const chunk of bytes) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      pieces.push(chunk.subarray(start, end + 1))
      yield pieces.length === 1 ? pieces[0] as Buffer : Buffer.concat(pieces)
      pieces = []
      length = 0
      start = end + 1
    }
    if (start === chunk.length) continue
    pieces.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > MAX_LINE) throw damaged(name, 'it contains a line that is too long')
  }
  if (pieces.length > 0) throw damaged(name, 'its end is missing')
}

function parsed (line: Buffer, name: string): object {
  try {
    const value: unknown = readJson(new TextDecoder('utf-8', { fatal: true }).decode(line))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Handled below, like a line that is not an object.
  }
  throw damaged(name, 'it contains an invalid line')
}

function damaged (name: string, reason: string): InstanceType<typeof DataError> {
  return new DataError(`the backup ${name} is damaged or incomplete: ${reason}; use another backup`)
}
