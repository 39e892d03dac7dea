// The start, as a user pays for it: the packed package in fresh projects, fresh processes, against Fastify alone.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median } from './http.js'
import { start, stop } from './processes.js'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface StartRow {
  name: string
  /** What the others are compared with. */
  base: string
  /** Milliseconds of the clock until the first request is answered, or until the command has ended. */
  wall: number
  /** Milliseconds of processor time until then. */
  cpu: number
  /** Megabytes of resident memory then; undefined for commands. */
  memory?: number
  /** Medians of the rounds, each against the base of the same round: 1 is equal. */
  wallRatio: number
  cpuRatio: number
  memoryBeyond?: number
}

export interface StartResult {
  rows: StartRow[]
  /** Megabytes on the disk beside Fastify and what it installs, in blocks as the disk has them. */
  installed: number
  /** The largest parts of it. */
  parts: Record<string, number>
  /** Kilobytes of the packed package. */
  packed: number
}

/** A start that takes longer has failed, ms. */
const MAX_START = 30_000

interface Measured { wall: number, cpu: number, memory?: number }

const POLICY = {
  resources: { task: { actions: { read: {}, write: {} } } },
  roles: { reader: { permissions: ['task:read'] } },
  users: { ada: {} },
  role_assignments: [{ user: 'ada', role: 'reader' }]
}

/** The same in YAML. */
const YAML = `
resources:
  task:
    actions: { read: {}, write: {} }
roles:
  reader: { permissions: ['task:read'] }
users:
  ada: {}
role_assignments:
  - { user: ada, role: reader }
`

/** As an app starts: it listens, and the first request is answered over a socket. */
const APP = `
import { connect } from 'node:net'
import Fastify from 'fastify'
const options = JSON.parse(process.argv[2])
const app = Fastify()
if (options !== null) {
  const { default: permit } = await import('fastify-permit')
  await app.register(permit, { ...options, user: () => 'ada' })
}
app.get('/tasks', { config: { permit: 'task:read' } }, async () => ({ hello: 'world' }))
await app.listen({ port: 0, host: '127.0.0.1' })
const socket = connect(app.server.address().port, '127.0.0.1')
socket.write('GET /tasks HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n')
socket.once('data', data => {
  const { user, system } = process.cpuUsage()
  process.stdout.write(JSON.stringify({ status: data.toString('latin1', 9, 12), cpu: (user + system) / 1000, memory: process.memoryUsage.rss() / 1e6 }))
  socket.destroy()
  app.close()
})
`

const BARE = 'Fastify alone'
const NODE = 'node -e 0'

/** Measures the start. The package is packed as it is built now. */
export async function measureStart (rounds: number, progress: (text: string) => void): Promise<StartResult> {
  const folder = await mkdtemp(join(tmpdir(), 'permit-start-'))
  const pdp = await start<{ port: number }>('./pdp.js')
  try {
    progress('packing and installing')
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: ROOT })
    const [{ filename, size }] = JSON.parse(stdout) as [{ filename: string, size: number }]
    const [bare, guarded] = [join(folder, 'bare'), join(folder, 'guarded')]
    await install(bare, ['fastify'])
    await install(guarded, ['fastify'], join(folder, filename))
    const main = join(guarded, 'node_modules/fastify-permit/dist/cli/main.js')
    await writeFile(join(guarded, 'permit.json'), JSON.stringify(POLICY))
    await writeFile(join(guarded, 'permit.yaml'), YAML)
    const check = (end: string) => ['check', '--user', 'ada', '--action', 'read', '--resource', 'task', '--policy', join(guarded, `permit.${end}`)]
    const ways: Array<[name: string, base: string, measure: () => Promise<Measured>]> = [
      [BARE, BARE, () => firstAnswer(bare, null)],
      ['with a policy as an object', BARE, () => firstAnswer(guarded, { policy: POLICY })],
      ['with a PDP', BARE, () => firstAnswer(guarded, { pdp: `http://127.0.0.1:${pdp.hello.port}`, token: 'bench' })],
      [NODE, NODE, () => command(['-e', '0'])],
      ['fastify-permit --version', NODE, () => command([main, '--version'])],
      ['fastify-permit check, a policy in JSON', NODE, () => command([main, ...check('json')])],
      ['fastify-permit check, a policy in YAML', NODE, () => command([main, ...check('yaml')])]
    ]
    const found = new Map<string, Measured[]>(ways.map(([name]) => [name, []]))
    // The first round reads the files from the disk and is not counted.
    for (let round = -1; round < rounds; round++) {
      for (const [name, , measure] of round % 2 === 0 ? ways : ways.toReversed()) {
        const measured = await measure()
        if (round >= 0) found.get(name)!.push(measured)
        progress(`start, ${round === -1 ? 'warming up' : `round ${round + 1} of ${rounds}`}: ${name}: ${Math.round(measured.wall)} ms, processor ${Math.round(measured.cpu)} ms`)
      }
    }
    const parts = await sizesBeside(guarded, bare)
    return {
      rows: ways.map(([name, base]) => rowOf(name, base, found.get(name)!, found.get(base)!)),
      installed: Object.values(parts).reduce((sum, size) => sum + size, 0),
      parts: Object.fromEntries(Object.entries(parts).sort(([, a], [, b]) => b - a).slice(0, 6)),
      packed: size / 1e3
    }
  } finally {
    stop(pdp.child)
    await rm(folder, { recursive: true, force: true })
  }
}

/** What a table shows. */
export function startTable ({ rows, installed, parts, packed }: StartResult): void {
  console.table(rows.map(({ name, wall, cpu, memory, wallRatio, cpuRatio, memoryBeyond, base }) => ({
    name,
    'ms to the first answer or the end': Math.round(wall),
    'processor ms': Math.round(cpu),
    'resident MB': memory === undefined ? '' : memory.toFixed(1),
    against: base,
    'time against it': wallRatio.toFixed(2),
    'processor against it': cpuRatio.toFixed(2),
    'MB beyond it': memoryBeyond === undefined ? '' : memoryBeyond.toFixed(1)
  })))
  console.log(`installed beside Fastify: ${installed.toFixed(1)} MB on the disk (${Object.entries(parts).map(([name, size]) => `${name} ${size.toFixed(1)}`).join(', ')})`)
  console.log(`packed: ${Math.round(packed)} kB`)
}

/** The row of a name. */
export function startRow ({ rows }: StartResult, name: string): StartRow {
  const row = rows.find(row => row.name === name)
  if (row === undefined) throw new Error(`nothing was measured for ${name}`)
  return row
}

function rowOf (name: string, base: string, own: readonly Measured[], against: readonly Measured[]): StartRow {
  const of = (figure: (own: Measured, base: Measured) => number) => median(own.map((one, round) => figure(one, against[round]!)))
  const hasMemory = own.every(({ memory }) => memory !== undefined)
  return {
    name,
    base,
    wall: of(({ wall }) => wall),
    cpu: of(({ cpu }) => cpu),
    wallRatio: of((one, base) => one.wall / base.wall),
    cpuRatio: of((one, base) => one.cpu / base.cpu),
    ...hasMemory ? { memory: of(({ memory = 0 }) => memory), memoryBeyond: of((one, base) => (one.memory ?? 0) - (base.memory ?? 0)) } : {}
  }
}

async function firstAnswer (project: string, options: object | null): Promise<Measured> {
  const before = performance.now()
  const running = execFile(process.execPath, [join(project, 'app.mjs'), JSON.stringify(options)], { env: environment(), cwd: project, timeout: MAX_START })
  const [text] = await Promise.race([once(running.stdout!, 'data'), once(running, 'exit').then(([code]) => { throw new Error(`the app ended with ${code}`) })]) as [string]
  const wall = performance.now() - before
  if (running.exitCode === null) await once(running, 'exit')
  const { status, cpu, memory } = JSON.parse(text) as { status: string, cpu: number, memory: number }
  if (status !== '200') throw new Error(`the app answered ${status}`)
  return { wall, cpu, memory }
}

async function command (args: readonly string[]): Promise<Measured> {
  // The shell tells the processor time of a process that has ended, which Node does not.
  const { stderr } = await run('bash', ['--norc', '-c', 'TIMEFORMAT="%R %U %S"; time "$@" > /dev/null', 'bash', process.execPath, ...args], { env: environment() })
  const [wall = NaN, user = NaN, system = NaN] = stderr.trim().split('\n').at(-1)!.split(' ').map(seconds => Number(seconds) * 1000)
  return { wall, cpu: user + system }
}

/** Nothing of this process's own settings. */
function environment (): Record<string, string> {
  return { PATH: process.env.PATH ?? '' }
}

/**
 * Installs packages into a project of their own, from the repository's node_modules and in the same places: the versions of its lock file, without a network.
 * @param tarball - of this package, beside them
 */
async function install (project: string, names: readonly string[], tarball?: string): Promise<void> {
  const modules = join(project, 'node_modules')
  await mkdir(modules, { recursive: true })
  await writeFile(join(project, 'package.json'), '{"private":true,"type":"module"}')
  await writeFile(join(project, 'app.mjs'), APP)
  const wanted = names.map(name => ({ name, from: ROOT }))
  if (tarball !== undefined) {
    const own = join(modules, 'fastify-permit')
    await mkdir(own)
    await run('tar', ['-xzf', tarball, '-C', own, '--strip-components=1'])
    wanted.push(...await dependenciesOf(own, ROOT))
  }
  const seen = new Set<string>()
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const source = await locate(next.name, next.from)
    if (seen.has(source)) continue
    seen.add(source)
    const target = join(project, source.slice(ROOT.length))
    await mkdir(dirname(target), { recursive: true })
    // What is nested in it comes when it is needed, so that nothing is there that npm would have put elsewhere.
    await cp(source, target, { recursive: true, filter: path => !path.slice(source.length).includes('node_modules') })
    wanted.push(...await dependenciesOf(source, source))
  }
}

async function dependenciesOf (folder: string, from: string): Promise<Array<{ name: string, from: string }>> {
  const { dependencies = {} } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> }
  return Object.keys(dependencies).map(name => ({ name, from }))
}

/** Where Node finds a package. */
async function locate (name: string, from: string): Promise<string> {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name)
    if (await stat(found).then(() => true, () => false)) return found
    if (folder.length <= ROOT.length) throw new Error(`${name} is not installed; run npm ci`)
  }
}

/** Megabytes of each package of a project that another one does not have. */
async function sizesBeside (project: string, other: string): Promise<Record<string, number>> {
  const there = new Set(await packagesIn(other))
  const sizes: Record<string, number> = {}
  for (const name of await packagesIn(project)) if (!there.has(name)) sizes[name] = await sizeOf(join(project, name)) / 1e6
  return Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name.replace(/.*node_modules\//, ''), size]))
}

/** Paths of packages below a project. */
async function packagesIn (project: string, below = 'node_modules'): Promise<string[]> {
  const names = await readdir(join(project, below)).catch(() => [] as string[])
  const found: string[] = []
  for (const name of names) {
    const path = `${below}/${name}`
    if (name.startsWith('@')) found.push(...await packagesIn(project, path))
    else found.push(path, ...await packagesIn(project, `${path}/node_modules`))
  }
  return found
}

/** Bytes that a folder takes on the disk, without packages nested in it. */
async function sizeOf (path: string): Promise<number> {
  const status = await lstat(path)
  let size = status.blocks * 512
  if (status.isDirectory()) for (const name of await readdir(path)) if (name !== 'node_modules') size += await sizeOf(join(path, name))
  return size
}
