// What it costs to load a policy, and how long a reload keeps the event loop busy, from 20,000 users to 1,000,000.
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from './http.js'
import type { Loaded, Reloaded } from './loading-run.js'
import { start, stop } from './processes.js'

export interface LoadingRow {
  format: 'JSON' | 'YAML'
  users: number
  /** Megabytes of the file. */
  size: number
  /** Milliseconds of processor time that the format's parser takes by itself: `JSON.parse`, or `parse` of the package yaml. */
  parse: number
  /** Milliseconds of processor time until the app is ready. */
  load: number
  /** Median of the rounds, each load against the parser of the same round. */
  ratio: number
  /** Megabytes of resident memory at the most, beyond those of the process before the load. */
  peak: number
  /** Megabytes of heap when the app is ready, beyond those before the load. */
  resting: number
}

export interface ReloadRow {
  users: number
  /** Milliseconds of the longest turn of the event loop during a reload, and of the longest while nothing happens. */
  longestTurn: number
  longestIdleTurn: number
}

/** A heap as large as a million users need. */
const FLAGS = ['--max-old-space-size=8192', '--expose-gc']

/** @param sizes - numbers of users for each format. A YAML file may have 4 MiB, which is some 50,000 users. */
export async function measureLoading (
  sizes: { readonly JSON: readonly number[], readonly YAML: readonly number[] }, rounds: number, progress: (text: string) => void
): Promise<LoadingRow[]> {
  return inFolder(async folder => {
    const rows: LoadingRow[] = []
    for (const format of ['JSON', 'YAML'] as const) {
      for (const users of sizes[format]) {
        const file = join(folder, `permit.${format.toLowerCase()}`)
        await writePolicy(file, format, users)
        const parsed: number[] = []
        const loaded: Loaded[] = []
        // The parser of YAML takes minutes for the largest file.
        const times = format === 'YAML' && users > 20_000 ? 1 : rounds
        for (let round = 0; round < times; round++) {
          parsed.push((await run<Loaded>('parse', file)).cpu)
          loaded.push(await run<Loaded>('load', file))
          progress(`loading ${users} users in ${format}, round ${round + 1} of ${times}: ${Math.round(loaded.at(-1)!.cpu)} ms, its parser ${Math.round(parsed.at(-1)!)} ms`)
        }
        rows.push({
          format,
          users,
          size: (await stat(file)).size / 1e6,
          parse: median(parsed),
          load: median(loaded.map(({ cpu }) => cpu)),
          ratio: median(loaded.map(({ cpu }, round) => cpu / parsed[round]!)),
          peak: median(loaded.map(({ peak }) => peak)),
          resting: median(loaded.map(({ resting }) => resting))
        })
      }
    }
    return rows
  })
}

/** Replaces the policy file of a running app, which has one more user then. */
export async function measureReload (users: number, rounds: number, progress: (text: string) => void): Promise<ReloadRow> {
  return inFolder(async folder => {
    const file = join(folder, 'permit.json')
    const found: Reloaded[] = []
    for (let round = 0; round < rounds; round++) {
      await writePolicy(file, 'JSON', users)
      const { child } = await start('./loading-run.js', ['reload', file], FLAGS)
      await writePolicy(`${file}.new`, 'JSON', users + 1)
      child.send(`user${users}@example.com`)
      await once(child, 'message')
      const done = once(child, 'message')
      await rename(`${file}.new`, file)
      const [reloaded] = await done as [Reloaded]
      found.push(reloaded)
      stop(child)
      progress(`reloading ${users} users, round ${round + 1} of ${rounds}: longest turn ${reloaded.longestTurn.toFixed(1)} ms`)
    }
    return {
      users,
      longestTurn: median(found.map(({ longestTurn }) => longestTurn)),
      longestIdleTurn: median(found.map(({ longestIdleTurn }) => longestIdleTurn))
    }
  })
}

export function loadingTable (rows: readonly LoadingRow[]): void {
  console.table(rows.map(({ format, users, size, parse, load, ratio, peak, resting }) => ({
    format,
    users,
    'file MB': Number(size.toFixed(1)),
    'parser ms': Math.round(parse),
    'load ms': Math.round(load),
    'against the parser': Number(ratio.toFixed(2)),
    'peak MB': Math.round(peak),
    'resting MB': Math.round(resting)
  })))
}

async function inFolder<T> (work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'permit-loading-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Each in a process of its own, so that none finds the other's garbage. */
async function run<T> (what: string, file: string): Promise<T> {
  const { child, hello } = await start<T>('./loading-run.js', [what, file], FLAGS)
  stop(child)
  return hello
}

const ROLES = 20

/** Users with attributes in JSON, and as short as possible in YAML, whose files are bounded; each has a role. */
async function writePolicy (file: string, format: 'JSON' | 'YAML', users: number): Promise<void> {
  const stream = createWriteStream(file)
  const write = async (text: string) => { if (!stream.write(text)) await once(stream, 'drain') }
  const resources = JSON.stringify({ task: { actions: { read: {}, write: {} } } })
  const roles = JSON.stringify(Object.fromEntries(Array.from({ length: ROLES }, (_, role) => [`role${role}`, { permissions: ['task:read'] }])))
  const json = format === 'JSON'
  await write(json ? `{"resources":${resources},"roles":${roles},"users":{` : `resources: ${resources}\nroles: ${roles}\nusers:\n`)
  for (let user = 0; user < users; user++) {
    const key = `user${user}@example.com`
    const text = JSON.stringify({ email: key, first_name: `First${user}`, attributes: { level: user % 7, team: `team${user % 100}` } })
    await write(json ? `${user === 0 ? '' : ','}\n"${key}":${text}` : `  ${key}: {}\n`)
  }
  await write(json ? '},"role_assignments":[' : 'role_assignments:\n')
  for (let user = 0; user < users; user++) {
    const assignment = { user: `user${user}@example.com`, role: `role${user % ROLES}`, tenant: 'default' }
    await write(json ? `${user === 0 ? '' : ','}\n${JSON.stringify(assignment)}` : `  - { user: ${assignment.user}, role: ${assignment.role} }\n`)
  }
  stream.end(json ? ']}\n' : '')
  await once(stream, 'close')
}
