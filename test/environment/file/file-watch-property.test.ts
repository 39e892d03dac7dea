// However a policy file comes to say something else (kind: a revoked right that stays), decisions follow within 2 s, with events of the file system and without.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { cp, link, mkdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Environment } from '../../../src/environment/environment.js'
import { FileWatch, type Reading } from '../../../src/environment/file/file-watch.js'
import { deferred } from '../../support/app.js'
import { AS_BEFORE, AS_OTHER_USER, folderForAll, giveAway } from '../../support/other-user.js'
import { EXTENSION, LOADER } from '../../support/program.js'

const BOUND_MS = 2_000
const RELEASES = ['r0', 'r1', 'r2'] as const

type Release = typeof RELEASES[number]

/** One way in which a path comes to lead to another content. `n` makes contents differ; all have the same length. */
type Step = (tree: Tree, release: Release, n: number) => Promise<void>

const textOf = (n: number) => `resources: { task: { actions: { create: {} } } }\nroles: { role${String(n).padStart(6, '0')}: { permissions: [task:create] } }\n`

/** Releases in folders, a link to the current one, and two links in a row to the file in it. */
class Tree {
  readonly root: string
  readonly #dir: string
  #temporary = 0

  constructor (dir: string) {
    this.#dir = dir
    this.root = join(dir, 'app')
  }

  async build (): Promise<void> {
    for (const [n, release] of RELEASES.entries()) {
      await mkdir(join(this.root, release), { recursive: true })
      await writeFile(this.file(release), textOf(n))
    }
    await symlink('r0', join(this.root, 'current'))
    await symlink(join('current', 'permit.yaml'), join(this.root, 'second.yaml'))
    await symlink('second.yaml', join(this.root, 'first.yaml'))
  }

  file (release: Release): string {
    return join(this.root, release, 'permit.yaml')
  }

  /** A name that is not in use, outside of the tree. */
  temporary (): string {
    return join(this.#dir, `tmp${this.#temporary++}`)
  }

  async relink (name: string, target: string): Promise<void> {
    const temporary = this.temporary()
    await symlink(target, temporary)
    await rename(temporary, join(this.root, name))
  }
}

const steps: Readonly<Record<string, Step>> = {
  'written in place': (tree, release, n) => writeFile(tree.file(release), textOf(n)),
  async 'written in place, with the time of before' (tree, release, n) {
    const { atime, mtime } = await stat(tree.file(release))
    await writeFile(tree.file(release), textOf(n))
    await utimes(tree.file(release), atime, mtime)
  },
  async 'renamed over' (tree, release, n) {
    const temporary = tree.temporary()
    await writeFile(temporary, textOf(n))
    await rename(temporary, tree.file(release))
  },
  async 'renamed over by an older file' (tree, release, n) {
    const temporary = tree.temporary()
    await writeFile(temporary, textOf(n))
    await utimes(temporary, 1, 1)
    await rename(temporary, tree.file(release))
  },
  async 'a hard link to another file' (tree, release, n) {
    const [other, temporary] = [tree.temporary(), tree.temporary()]
    await writeFile(other, textOf(n))
    await link(other, temporary)
    await rename(temporary, tree.file(release))
  },
  'the link to the folder switched': (tree, release) => tree.relink('current', release),
  async 'the link to the folder removed and made again' (tree, release) {
    await rm(join(tree.root, 'current'))
    await symlink(release, join(tree.root, 'current'))
  },
  'the first link switched to the file itself': (tree, release) => tree.relink('first.yaml', join(release, 'permit.yaml')),
  'the first link switched to the second': tree => tree.relink('first.yaml', 'second.yaml'),
  'the second link switched to the file itself': (tree, release) => tree.relink('second.yaml', join(release, 'permit.yaml')),
  'the second link switched to the current one': tree => tree.relink('second.yaml', join('current', 'permit.yaml')),
  async 'the folder replaced' (tree, release, n) {
    const [next, old] = [tree.temporary(), tree.temporary()]
    await mkdir(next)
    await writeFile(join(next, 'permit.yaml'), textOf(n))
    await rename(join(tree.root, release), old)
    await rename(next, join(tree.root, release))
    await rm(old, { recursive: true })
  },
  async 'the folder above replaced' (tree, release, n) {
    const old = tree.temporary()
    await rename(tree.root, old)
    await cp(old, tree.root, { recursive: true, verbatimSymlinks: true })
    await writeFile(tree.file(release), textOf(n))
  },
  async 'gone and back' (tree, release, n) {
    await rm(tree.file(release))
    await writeFile(tree.file(release), textOf(n))
  },
  async 'a folder for a moment' (tree, release, n) {
    await rm(tree.file(release))
    await mkdir(tree.file(release))
    await rm(tree.file(release), { recursive: true })
    await writeFile(tree.file(release), textOf(n))
  }
}

const paths = ['r0/permit.yaml', 'current/permit.yaml', 'second.yaml', 'first.yaml'] as const

interface Story {
  readonly path: typeof paths[number]
  /** Between two phases the environment has caught up. */
  readonly phases: ReadonlyArray<ReadonlyArray<readonly [name: string, release: Release]>>
}

const stories: fc.Arbitrary<Story> = fc.record({
  path: fc.constantFrom(...paths),
  phases: fc.array(fc.array(fc.tuple(fc.constantFrom(...Object.keys(steps)), fc.constantFrom(...RELEASES)), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
})

/** Resolves when the environment decides by what the path leads to; rejects when that takes too long. */
async function followed (environment: Environment, path: string): Promise<void> {
  const wanted = /role\d+/.exec(await readFile(path, 'utf8'))?.[0] ?? ''
  let stop = () => {}
  let timer: NodeJS.Timeout | undefined
  const caughtUp = new Promise<void>((resolve, reject) => {
    const look = () => { if (environment.schema.roles[wanted] !== undefined) resolve() }
    timer = setTimeout(() => reject(new Error(`after ${BOUND_MS} ms it decides by ${Object.keys(environment.schema.roles).join()}, and the file says ${wanted}`)), BOUND_MS)
    stop = environment.onChange(look)
    look()
  })
  try {
    await caughtUp
  } finally {
    clearTimeout(timer)
    stop()
  }
}

async function tell (dir: string, { path, phases }: Story): Promise<void> {
  const tree = new Tree(dir)
  await tree.build()
  const environment = await Environment.open({ policy: join(tree.root, path) })
  try {
    let n = RELEASES.length
    for (const phase of phases) {
      for (const [name, release] of phase) await steps[name]?.(tree, release, n++)
      await followed(environment, join(tree.root, path))
    }
  } finally {
    await environment.close()
  }
}

/** Many at once: most of the time they wait. */
async function tellAll (t: Test, all: readonly Story[]): Promise<void> {
  const dir = t.testdir()
  await Promise.all(all.map(async (story, index) => {
    const folder = join(dir, String(index))
    await mkdir(folder)
    await tell(folder, story).catch((error: unknown) => { throw new Error(`${JSON.stringify(story)}: ${String(error)}`) })
  }))
  t.pass(`${all.length} stories`)
}

const each: readonly Story[] = Object.keys(steps).flatMap(name => paths.map(path => ({ path, phases: [[[name, 'r0']], [[name, 'r1']], [[name, 'r0']]] } satisfies Story)))

t.test('every way in which the path leads to other content takes effect within 2 s', t => tellAll(t, each))

t.test('also one after another, in any order', async t => {
  await tellAll(t, fc.sample(stories, 40))
})

t.test('also without file system events', async t => {
  const { watch } = fs
  fs.watch = () => { throw new Error('no events here') }
  syncBuiltinESMExports()
  try {
    await tellAll(t, [...each.filter(({ path }) => path === 'first.yaml'), ...fc.sample(stories, 20)])
  } finally {
    fs.watch = watch
    syncBuiltinESMExports()
  }
})

t.test('a relative path keeps its meaning when the process changes its directory', async t => {
  const dir = t.testdir({ here: { 'permit.yaml': textOf(1) }, there: { 'permit.yaml': textOf(2) } })
  const before = process.cwd()
  t.teardown(() => process.chdir(before))
  process.chdir(join(dir, 'here'))
  const environment = await Environment.open({ policy: 'permit.yaml' })
  t.teardown(() => environment.close())
  process.chdir(join(dir, 'there'))
  await writeFile(join(dir, 'here', 'permit.yaml'), textOf(3))
  await followed(environment, join(dir, 'here', 'permit.yaml'))
  t.same(Object.keys(environment.schema.roles), ['role000003'])
})

t.test('a folder that becomes accessible again is followed again', async t => {
  // Root may enter everything.
  const script = `
    import { chmod, writeFile } from 'node:fs/promises'
    import { Environment } from './src/environment/environment.${EXTENSION}'
    const [folder] = process.argv.slice(1)
    await (await Environment.open({ policy: folder + '/permit.yaml' })).close()
    ${AS_OTHER_USER}
    const heard = []
    let wake = () => {}
    const say = (details, message) => { heard.push(message); wake() }
    const next = async () => { while (heard.length === 0) await new Promise(resolve => { wake = resolve }); return heard.shift() }
    const alive = setInterval(() => {}, 60_000)
    const environment = await Environment.open({ policy: folder + '/permit.yaml', log: { info: say, warn: say } })
    await chmod(folder, 0)
    console.log(await next())
    await chmod(folder, 0o755)
    await writeFile(folder + '/permit.yaml', ${JSON.stringify(textOf(7))})
    while (environment.schema.roles.role000007 === undefined) console.log(await next())
    clearInterval(alive)
    await environment.close()
    ${AS_BEFORE}`
  const folder = join(await folderForAll(t), 'policies')
  await mkdir(folder)
  await writeFile(join(folder, 'permit.yaml'), textOf(1))
  await giveAway([folder, join(folder, 'permit.yaml')])
  const child = spawn(process.execPath, [...LOADER, '--input-type=module', '-e', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  t.same(await once(child, 'close'), [0, null])
  t.match(Buffer.concat(chunks).toString(), /^permit: the policy file changed and cannot be used.*\n(permit: .* is valid again.*\n)?permit: the policy file changed and is in use/)
})

t.test('a file that cannot be read in time is logged once, and does not prevent closing', async t => {
  const late = deferred<void>()
  let reads = 0
  const watch = new FileWatch({
    path: join(t.testdir(), 'permit.yaml'),
    read: () => ++reads === 1 ? Promise.resolve(Buffer.from('first')) : new Promise(() => {}),
    changed: async () => true,
    late: () => late.resolve()
  })
  const alive = setInterval(() => {}, 60_000)
  await watch.first()
  watch.start()
  await late.promise
  await watch.close()
  clearInterval(alive)
  t.equal(reads, 2)
})

t.test('a change that could not be processed is reported again, with the current content', async t => {
  const told: Reading[] = []
  const done = deferred<void>()
  let text = 'first'
  const watch = new FileWatch({
    path: join(t.testdir(), 'permit.yaml'),
    read: async () => Buffer.from(text),
    async changed (reading) {
      told.push(reading)
      if (told.length === 3) done.resolve()
      if (told.length === 2) text = 'third'
      return told.length > 2
    },
    late: () => {}
  })
  const alive = setInterval(() => {}, 60_000)
  await watch.first()
  watch.start()
  text = 'second'
  await done.promise
  await watch.close()
  clearInterval(alive)
  t.same(told.map(reading => 'bytes' in reading ? reading.bytes.toString() : reading.error), ['second', 'second', 'third'])
})

t.test('a watch does not keep the process alive, and leaves nothing open', async t => {
  const script = `
    import { Environment } from './src/environment/environment.${EXTENSION}'
    const open = () => process.getActiveResourcesInfo().filter(name => /FSEvent|FSReq|Timeout/.test(name)).length
    const before = open()
    const environments = []
    for (let n = 0; n < 20; n++) environments.push(await Environment.open({ policy: process.argv[1] }))
    await new Promise(resolve => setTimeout(resolve, 700))
    for (const environment of environments) await environment.close()
    await new Promise(resolve => setTimeout(resolve, 50))
    console.log(open() - before)
    await Environment.open({ policy: process.argv[1] })`
  const child = spawn(process.execPath, [...LOADER, '--input-type=module', '-e', script, join(t.testdir({ 'permit.yaml': textOf(1) }), 'permit.yaml')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  t.same(await once(child, 'close'), [0, null])
  t.equal(Buffer.concat(chunks).toString().trim(), '0')
})
