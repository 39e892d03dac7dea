// Runs the tests that attack the promises on other versions of the peers than the installed ones: `npm run test:range`, `-- --edges`, `-- fastify-5.7.0`,
// `-- nest-12`.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { root } from '../support/documents.js'
import { execute, runSuites, type Suite } from '../support/suites.js'
import { byAge, installedOf, peers, versionsOf, type Peer } from './versions.js'

/** The tests whose outcome may depend on a peer's version. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  fastify: ['test/fastify', 'test/guard', 'test/matrix', 'test/server', 'test/sdk', 'test/closing.test.ts', 'test/secrets.test.ts'],
  express: ['test/express', 'test/matrix'],
  express4: ['test/express', 'test/matrix'],
  lmdb: ['test/environment'],
  'prom-client': ['test/observe'],
  '@opentelemetry/api': ['test/observe'],
  'drizzle-orm': ['test/lists'],
  knex: ['test/lists'],
  kysely: ['test/lists'],
  oauth4webapi: ['test/oauth'],
  re2js: ['test/engine/policy/mapping-rules.test.ts', 'test/fastify/urls.test.ts']
}

/** Peers whose packages find each other by name, so that a version needs a folder of its own: those of families/, with the tests of each. */
const FAMILIES: Readonly<Record<string, readonly string[]>> = {
  oldest: [...ofNest(11), 'test/trpc', 'test/mcp/server.test.ts'],
  'nest-12': ofNest(12)
}

/** Not errors.test.ts: the first versions of NestJS send the message of a mistake in the app's code to clients, and later ones hide it. */
function ofNest (version: number): string[] {
  return [...['module', 'resolvers', 'gateways'].map(name => `test/nest/${version}/${name}.test.ts`), 'test/range/nest-drivers.ts']
}

/** In every run: that it runs what it says. */
const LOADED = 'test/range/loaded.test.ts'

/** By peer, the version in its place. */
type Versions = ReadonlyMap<Peer, string>

const all = await Promise.all((await peers()).map(async peer => ({ peer, versions: await versionsOf(peer), installed: await installedOf(peer) })))
const wanted = process.argv.slice(2)
const isWanted = (name: string): boolean => wanted.length === 0 || wanted.includes(name)
const runs = wanted.includes('--edges') ? edges() : singles().filter(run => isWanted(nameOf(run)))
const families = Object.keys(FAMILIES).filter(name => wanted.includes('--edges') || isWanted(name))
if (runs.length + families.length === 0) {
  throw new Error(`there is nothing of the name ${wanted.join(', ')}; there are ${[...singles().map(nameOf), ...Object.keys(FAMILIES)].join(', ')}`)
}
for (const family of families) await install(family)
await runSuites([...runs.map(suiteOf), ...families.map(suiteOfFamily)])

/** Each version by itself. */
function singles (): Versions[] {
  return all.flatMap(({ peer, versions }) => versions.map(version => new Map([[peer, version]])))
}

/** The oldest of all peers at once; and the newest, where it is newer than what `npm test` has tested. */
function edges (): Versions[] {
  const oldest = new Map(all.map(({ peer, versions }) => [peer, versions[0] as string]))
  const newest = new Map(all.filter(({ versions, installed }) => byAge(versions.at(-1) as string, installed) > 0).map(({ peer, versions }) => [peer, versions.at(-1) as string]))
  return [oldest, newest].filter(({ size }) => size > 0)
}

function nameOf (versions: Versions): string {
  return [...versions].map(([{ alias }, version]) => `${alias}${version}`).join(', ')
}

function suiteOf (versions: Versions): Suite {
  return {
    name: nameOf(versions),
    files: [...new Set([LOADED, ...[...versions.keys()].flatMap(({ name }) => TESTS[name] ?? [])])],
    env: {
      RANGE_PEERS: JSON.stringify(Object.fromEntries([...versions].map(([{ name, alias }, version]) => [name, `${alias}${version}`]))),
      NODE_OPTIONS: `--import=${new URL('redirect.js', import.meta.url).href}`
    },
    check: () => checkTypes(versions)
  }
}

function suiteOfFamily (name: string): Suite {
  return {
    name: `${name} of families`,
    files: FAMILIES[name] ?? [],
    env: { RANGE_FAMILY: name, NODE_OPTIONS: `--import=${new URL('redirect.js', import.meta.url).href}` }
  }
}

async function install (family: string): Promise<void> {
  const { code, output } = await execute('npm', ['ci', '--prefix', `test/range/families/${family}`, '--ignore-scripts', '--no-audit', '--no-fund'], {})
  if (code !== 0) throw new Error(output)
}

/** What the compiler says of apps that use the package with the types of these versions. */
async function checkTypes (versions: Versions): Promise<readonly string[]> {
  const typed = (await Promise.all([...versions].map(([peer, version]) => typesOf(peer, version)))).filter(types => types !== undefined)
  if (typed.length === 0) return []
  await mkdir(join(root, '.tap'), { recursive: true })
  const folder = await mkdtemp(join(root, '.tap', 'range-'))
  try {
    const to = (path: string) => relative(folder, join(root, path))
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
      extends: to('tsconfig.json'),
      compilerOptions: {
        incremental: false,
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
    if (code !== 0 && !output.includes('error TS')) return [output]
    // What other packages' declarations have of mistakes is theirs.
    return output.split('\n').filter(line => !line.startsWith(' ') && /(^|\/)(dist|test)\//.test(line) && !line.includes('node_modules'))
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
  // Express has its types in packages with versions of their own: with the oldest Express, the oldest types.
  const [oldest] = await versionsOf(peer)
  if (peer.name === 'express4' && version === oldest) return { name: 'express', declarations: 'types-express-4.17.0/index.d.ts', app: 'typed-express-app.ts' }
  return undefined
}
