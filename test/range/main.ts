// Runs the tests that attack the promises on other versions of the peers than the installed ones: `npm run test:range`, `-- --edges`, `-- fastify-5.7.0`.
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { root } from '../support/documents.js'
import { byAge, installedOf, peers, versionsOf, type Peer } from './versions.js'

/** The tests whose outcome may depend on a peer's version. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  fastify: ['test/fastify', 'test/guard', 'test/matrix', 'test/server', 'test/sdk', 'test/closing.test.ts', 'test/secrets.test.ts'],
  express: ['test/express', 'test/matrix'],
  express4: ['test/express', 'test/matrix'],
  lmdb: ['test/environment'],
  'prom-client': ['test/observe'],
  '@opentelemetry/api': ['test/observe']
}

/** In every run: that it runs what it says. */
const LOADED = 'test/range/loaded.test.ts'

interface Run {
  readonly name: string
  /** By the name of each peer, the version in its place. */
  readonly versions: ReadonlyMap<Peer, string>
}

const wanted = process.argv.slice(2)
const all = await Promise.all((await peers()).map(async peer => ({ peer, versions: await versionsOf(peer), installed: await installedOf(peer) })))
const runs = wanted.includes('--edges') ? edges() : singles().filter(({ name }) => wanted.length === 0 || wanted.includes(name))
if (runs.length === 0) throw new Error(`there is nothing of the name ${wanted.join(', ')}; there are ${singles().map(({ name }) => name).join(', ')}`)

const failed: string[] = []
for (const run of runs) {
  const start = performance.now()
  const failures = [...await tests(run), ...await types(run)]
  console.log(`${failures.length === 0 ? 'ok' : 'not ok'} - ${run.name} # ${Math.round((performance.now() - start) / 1_000)} s`)
  for (const failure of failures) console.log(failure.replaceAll(/^/gm, '    '))
  if (failures.length > 0) failed.push(run.name)
}
console.log(failed.length === 0 ? `\nAll ${runs.length} runs passed.` : `\n${failed.length} of ${runs.length} runs failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

/** Each version by itself. */
function singles (): Run[] {
  return all.flatMap(({ peer, versions }) => versions.map(version => ({ name: `${peer.alias}${version}`, versions: new Map([[peer, version]]) })))
}

/** The oldest of all peers at once; and the newest, where it is newer than what `npm test` has tested. */
function edges (): Run[] {
  const oldest = new Map(all.map(({ peer, versions }) => [peer, versions[0] as string]))
  const newest = new Map(all.filter(({ versions, installed }) => byAge(versions.at(-1) as string, installed) > 0).map(({ peer, versions }) => [peer, versions.at(-1) as string]))
  return [{ name: 'oldest', versions: oldest }, { name: 'newest', versions: newest }]
    .filter(({ versions }) => versions.size > 0)
    .map(({ name, versions }) => ({ name: `${name}: ${[...versions].map(([peer, version]) => `${peer.alias}${version}`).join(', ')}`, versions }))
}

/** The tests of a run that failed, each with what it said. */
async function tests ({ versions }: Run): Promise<string[]> {
  const files = new Set([LOADED, ...[...versions.keys()].flatMap(({ name }) => TESTS[name] ?? [])])
  const aliases = Object.fromEntries([...versions].map(([{ name, alias }, version]) => [name, `${alias}${version}`]))
  const { code, output } = await execute('node_modules/.bin/tap', ['--reporter=tap', ...files], {
    RANGE_PEERS: JSON.stringify(aliases),
    NODE_OPTIONS: `--import=${pathToFileURL(fileURLToPath(new URL('redirect.js', import.meta.url))).href}`
  })
  if (code === 0) return []
  const failures = output.split(/^(?=(?:not )?ok )/m).filter(part => part.startsWith('not ok'))
  return failures.length === 0 ? [output] : failures.map(failure => failure.split('\n').filter(line => !/^\s*ok /.test(line)).slice(0, 60).join('\n'))
}

/** What the compiler says of apps that use the package with the types of these versions. */
async function types ({ versions }: Run): Promise<string[]> {
  const typed = (await Promise.all([...versions].map(([peer, version]) => typesOf(peer, version)))).filter(types => types !== undefined)
  if (typed.length === 0) return []
  await mkdir(join(root, '.tap'), { recursive: true })
  const folder = await mkdtemp(join(root, '.tap', 'range-'))
  try {
    const to = (path: string) => relative(folder, join(root, path))
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
      extends: to('tsconfig.json'),
      compilerOptions: {
        skipLibCheck: false,
        paths: {
          'fastify-permit': [to('dist/index.d.ts')],
          'fastify-permit/express': [to('dist/express/index.d.ts')],
          'fastify-permit/pdp': [to('dist/server/index.d.ts')],
          ...Object.fromEntries(typed.map(({ name, declarations }) => [name, [to(`test/range/packages/node_modules/${declarations}`)]]))
        }
      },
      files: typed.map(({ app }) => to(`test/range/${app}`)),
      include: []
    }))
    const { code, output } = await execute('node_modules/.bin/tsc', ['-p', folder], {})
    // What other packages' declarations have of mistakes is theirs.
    const ours = output.split('\n').filter(line => !line.startsWith(' ') && /(^|\/)(dist|test)\//.test(line) && !line.includes('node_modules'))
    return code !== 0 && !output.includes('error TS') ? [output] : ours
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Types {
  /** The name that an app imports. */
  readonly name: string
  readonly declarations: string
  /** The app that has these types in it. */
  readonly app: string
}

async function typesOf (peer: Peer, version: string): Promise<Types | undefined> {
  if (peer.package === 'fastify') return { name: 'fastify', declarations: `${peer.alias}${version}/fastify.d.ts`, app: 'typed-app.ts' }
  // Express has its types in packages with versions of their own: with the oldest Express, the oldest types. Two of one name cannot be compiled at once.
  const [oldest] = await versionsOf(peer)
  if (peer.name === 'express4' && version === oldest) return { name: 'express', declarations: 'types-express-4.17.0/index.d.ts', app: 'typed-express-app.ts' }
  return undefined
}

function execute (command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<{ code: number | null, output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(root, command), args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
    child.once('error', reject).once('close', code => resolve({ code, output }))
  })
}
