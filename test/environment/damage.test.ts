// Whatever a data folder holds (kind: what is on the disk is not what was written there): facts as they were written, or a DataError that says what to do.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { closeSync, cpSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import type { Policy } from '../../src/engine/policy/policy.js'
import { Environment } from '../../src/environment/environment.js'
import { EXTENSION, LOADER } from '../support/program.js'

/** DAMAGES=1000 looks longer. */
const DAMAGES = Number(process.env['DAMAGES'] ?? 12)
const OPENERS = 2
const PAGE = 4096
/** ms for one folder. */
const PATIENCE_MS = 30_000

const opener = fileURLToPath(new URL(`damage-opener.${EXTENSION}`, import.meta.url))
const policy: Policy = { resources: { task: { actions: { read: {} } } }, roles: { admin: { permissions: ['task:read'] }, viewer: {} } }

interface Outcome {
  readonly users?: unknown
  readonly assignments?: unknown
  readonly again?: boolean
  readonly code?: string
  readonly message?: string
  /** The process died of it. */
  readonly died?: string
}

/** A process that opens one folder after the other, until it dies of one. */
class Opener {
  #child: ChildProcess | undefined
  #answer: (outcome: Outcome) => void = () => {}

  open (folder: string): Promise<Outcome> {
    return new Promise(resolve => {
      const patience = setTimeout(() => this.end(), PATIENCE_MS)
      this.#answer = outcome => {
        clearTimeout(patience)
        resolve(outcome)
      }
      this.#child ??= this.#start()
      this.#child.stdin?.write(`${folder}\n`)
    })
  }

  end (): void {
    this.#child?.kill('SIGKILL')
  }

  #start (): ChildProcess {
    const child = spawn(process.execPath, [...LOADER, opener], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout }).on('line', line => this.#answer(JSON.parse(line) as Outcome))
    child.once('close', (code, signal) => {
      this.#child = undefined
      this.#answer({ died: signal ?? `code ${code}` })
    })
    return child
  }
}

const openers = Array.from({ length: OPENERS }, () => new Opener())
t.teardown(() => { for (const opener of openers) opener.end() })

/** What comes of opening the folders, each by itself. */
async function open (folders: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const waiting = [...folders.entries()]
  await Promise.all(openers.map(async opener => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) outcomes[next[0]] = await opener.open(next[1])
  }))
  return outcomes
}

/** A folder with a history: pages that were written over and pages that are free. `sealed`: it was closed; otherwise its process was killed. */
async function folderOf (folder: string, sealed: boolean, users = 200): Promise<void> {
  const environment = await Environment.open({ data: folder, policy })
  await environment.write(facts => {
    for (let n = 0; n < users; n++) facts.createUser({ key: `u${n}`, attributes: { version: 1 } }, [{ role: n % 2 === 0 ? 'admin' : 'viewer' }])
  })
  for (let n = 0; n < 12; n++) {
    await environment.write(facts => {
      facts.updateUser(`u${n}`, { attributes: { version: 2 } })
      facts.unassignRole({ user: `u${n}`, role: n % 2 === 0 ? 'admin' : 'viewer' })
    })
  }
  await environment.close()
  if (!sealed) rmSync(join(folder, 'facts.sum'))
}

function isAsItShouldBe (outcome: Outcome, whole: Outcome): boolean {
  if (outcome.code === 'FST_PERMIT_DATA') return outcome.users === undefined && /restore|(?:give|use) another folder|upgrade/.test(outcome.message ?? '')
  return outcome.again === true && JSON.stringify([outcome.users, outcome.assignments]) === JSON.stringify([whole.users, whole.assignments])
}

type Damage =
  | { readonly kind: 'random' | 'zeros' | 'ones', readonly at: number, readonly bytes: number, readonly seed: number }
  | { readonly kind: 'bit', readonly at: number, readonly bit: number }
  | { readonly kind: 'truncated' | 'longer', readonly at: number }
  | { readonly kind: 'page', readonly from: number, readonly to: number }

const part = fc.double({ min: 0, max: 0.999_999, noNaN: true })
/** The first pages are those from which all others are found. */
const place = fc.oneof(part, part.map(part => part * 0.03))
const damages: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('random' as const, 'zeros' as const, 'ones' as const), at: place, bytes: fc.constantFrom(1, 2, 8, 64, 512, PAGE, 8 * PAGE), seed: fc.nat() }),
  fc.record({ kind: fc.constant('bit' as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constantFrom('truncated' as const, 'longer' as const), at: part }),
  // A disk that writes a page to the place of another, or not at all: each page for itself is well formed.
  fc.record({ kind: fc.constant('page' as const), from: place, to: place })
)

function apply (file: string, damage: Damage): void {
  const bytes = readFileSync(file)
  const at = 'at' in damage ? Math.floor(damage.at * bytes.length) : 0
  switch (damage.kind) {
    case 'random':
      for (let n = 0, state = damage.seed; n < damage.bytes && at + n < bytes.length; n++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        bytes[at + n] = state >>> 16
      }
      break
    case 'zeros': bytes.subarray(at, at + damage.bytes).fill(0); break
    case 'ones': bytes.subarray(at, at + damage.bytes).fill(0xff); break
    case 'bit': bytes[at] = (bytes[at] ?? 0) ^ (1 << damage.bit); break
    case 'truncated': return writeFileSync(file, bytes.subarray(0, at))
    case 'longer': return writeFileSync(file, Buffer.concat([bytes, bytes.subarray(0, at)]))
    case 'page': {
      const pages = bytes.length / PAGE
      const [from, to] = [Math.floor(damage.from * pages), Math.floor(damage.to * pages)]
      bytes.copy(bytes, to * PAGE, from * PAGE, (from + 1) * PAGE)
    }
  }
  writeFileSync(file, bytes)
}

t.test('a database with random damage, closed or killed, is refused or unchanged', { timeout: 60_000 + DAMAGES * 4_000 }, async t => {
  const dir = t.testdir()
  for (const sealed of [true, false]) {
    const original = join(dir, String(sealed))
    await folderOf(original, sealed)
    cpSync(original, `${original}-whole`, { recursive: true })
    const cases = fc.sample(damages, sealed ? Math.ceil(DAMAGES / 2) : DAMAGES)
    const folders = cases.map((damage, index) => {
      const folder = `${original}-${index}`
      cpSync(original, folder, { recursive: true })
      apply(join(folder, 'facts.mdb'), damage)
      return folder
    })
    const isAltered = folders.map(folder => !readFileSync(join(folder, 'facts.mdb')).equals(readFileSync(join(original, 'facts.mdb'))))
    const [whole = {}, ...outcomes] = await open([`${original}-whole`, ...folders])
    t.equal(whole.again, true)
    const wrong = cases.map((damage, index) => ({ damage, outcome: outcomes[index] ?? {} })).filter(({ outcome }) => !isAsItShouldBe(outcome, whole))
    t.same(wrong.map(({ damage, outcome: { died, code, message } }) => ({ damage, died, code, message })), [], sealed ? 'closed' : 'killed')
    const refused = outcomes.filter(({ code }) => code !== undefined).length
    t.comment(`${sealed ? 'closed' : 'killed'}: ${isAltered.filter(Boolean).length} damages, ${refused} refused`)
    if (sealed) t.same(outcomes.map(({ code }) => code !== undefined), isAltered, 'of a folder that was closed, every one is noticed')
    for (const folder of folders) rmSync(folder, { recursive: true })
  }
})

t.test('restoring an older copy of either of LMDB\'s two meta pages brings no old data back', async t => {
  const dir = t.testdir()
  await folderOf(join(dir, 'original'), false)
  const folders: string[] = []
  for (const page of [0, 1]) {
    for (const word of [16, 24, 40, 48, 128, 136, 144, 152]) {
      const folder = join(dir, `${page}-${word}`)
      cpSync(join(dir, 'original'), folder, { recursive: true })
      const bytes = readFileSync(join(folder, 'facts.mdb'))
      bytes.writeBigUInt64LE(BigInt.asUintN(64, bytes.readBigUInt64LE(page * PAGE + word) - 1n), page * PAGE + word)
      writeFileSync(join(folder, 'facts.mdb'), bytes)
      folders.push(folder)
    }
  }
  const [whole = {}, ...outcomes] = await open([join(dir, 'original'), ...folders])
  t.same(outcomes.map((outcome, index) => isAsItShouldBe(outcome, whole) ? [] : [folders[index], outcome.died ?? outcome.message ?? 'another state']).flat(), [])
})

t.test('any other file in place of a file of the folder is refused or does no harm', async t => {
  const dir = t.testdir()
  const sqlite = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8192, 7)])
  const impostors: Readonly<Record<string, (path: string) => void>> = {
    empty: path => writeFileSync(path, ''),
    'a byte': path => writeFileSync(path, 'x'),
    text: path => writeFileSync(path, 'not a database '.repeat(2_000)),
    'another program': path => writeFileSync(path, sqlite),
    zeros: path => writeFileSync(path, Buffer.alloc(100_000)),
    ones: path => writeFileSync(path, Buffer.alloc(100_000, 0xff)),
    'the mark of LMDB and nothing else': path => {
      const bytes = Buffer.alloc(20_000)
      bytes.writeUInt32LE(0xbeefc0de, 24)
      bytes.writeUInt32LE(2, 28)
      writeFileSync(path, bytes)
    },
    'an endless file': path => {
      const file = openSync(path, 'w')
      ftruncateSync(file, 2 ** 33)
      closeSync(file)
    },
    'a folder': path => mkdirSync(path),
    'a folder with a file': path => {
      mkdirSync(path)
      writeFileSync(join(path, 'file'), 'x')
    },
    'a link to nothing': path => symlinkSync('nothing', path),
    'a link to itself': path => symlinkSync(path, path),
    'a link to a folder': path => symlinkSync('..', path),
    'a device': path => symlinkSync('/dev/zero', path),
    'a pipe': path => { spawnSync('mkfifo', [path]) },
    nothing: () => {}
  }
  // Files of which nothing is expected but that they do not stand in the way.
  const FEW = new Set(['text', 'ones', 'a folder with a file', 'a link to itself', 'a pipe'])
  const folders: Array<{ folder: string, name: string, file: string }> = []
  for (const sealed of [true, false]) {
    const original = join(dir, `original-${String(sealed)}`)
    await folderOf(original, sealed, 20)
    for (const file of ['facts.mdb', 'facts.mdb-lock', 'facts.sum', 'lock-01234567-89ab-cdef-0123-456789abcdef.sock', 'facts.mdb.new-1']) {
      for (const [name, put] of Object.entries(impostors)) {
        // Hashing 8 GB once is enough, and of a folder that is not sealed nobody hashes.
        if (name === 'an endless file' && (file !== 'facts.mdb' || sealed)) continue
        // Without a seal an empty folder is a new one.
        if (name === 'nothing' && file === 'facts.mdb' && !sealed) continue
        if ((file === 'facts.mdb') === sealed) continue
        if (!['facts.mdb', 'facts.sum'].includes(file) && !FEW.has(name)) continue
        const folder = join(dir, `${folders.length}`)
        cpSync(original, folder, { recursive: true })
        rmSync(join(folder, file), { force: true })
        put(join(folder, file))
        folders.push({ folder, name, file })
      }
    }
  }
  const outcomes = await open([join(dir, 'original-true'), ...folders.map(({ folder }) => folder)])
  const [whole = {}, ...others] = outcomes
  t.equal(whole.again, true)
  t.same(others.flatMap((outcome, index) => {
    const { file, name } = folders[index] ?? { file: '', name: '' }
    const isRefused = outcome.code === 'FST_PERMIT_DATA' && outcome.message !== ''
    if (isRefused || (file !== 'facts.mdb' && isAsItShouldBe(outcome, whole))) return []
    return [{ file, name, died: outcome.died, code: outcome.code, message: outcome.message, again: outcome.again }]
  }), [])
})
