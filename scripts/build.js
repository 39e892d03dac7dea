// The build: tsc compiles and writes the declarations. Modules that create schema checkers are run and replaced by their result. Rollup
// bundles the rest into one module for each part of the package, so that an app opens few files.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rollup } from 'rollup'
import ts from 'typescript'
import { writeDeclarations } from './declarations.js'
import { writeInspectorPage } from './inspector-page.js'
import { codeOf } from './schema-code.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
// Inside the project, so that dependencies can be resolved.
const compiled = join(root, 'node_modules', '.cache', 'compiled')

const LIST_TARGETS = ['drizzle', 'knex', 'kysely', 'mongo', 'predicate', 'prisma']

/** What users import and run, with the names of package.json. */
const ENTRIES = [
  'index', 'express/index', 'nest/index', 'mcp/index', 'trpc/index', 'browser/index', 'graphql/index', 'server/index', 'cli/main',
  'oauth/client-credentials',
  ...LIST_TARGETS.map(target => `lists/${target}`)
]

/** Modules that run as separate processes, found by a path beside the module that starts them. */
const PROCESSES = { 'check-process': 'environment/data/check-process' }

/** Files beside `contract` that every part needs, including commands. */
const QUESTION_FILES = /^(decision\/(query|cache-key|input-checks)|engine\/(facts\/fact|policy\/problems))\.js$/

rmSync(dist, { recursive: true, force: true })
rmSync(compiled, { recursive: true, force: true })
// Types are checked by `npm run typecheck`.
const tsc = join(root, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', compiled, '--noCheck'], { stdio: 'inherit' })

const inputs = [...ENTRIES.map(name => [name, name]), ...Object.entries(PROCESSES)]
const withSideEffects = ['cli/main', ...Object.values(PROCESSES)].map(file => join(compiled, `${file}.js`))

const bundle = await rollup({
  input: Object.fromEntries(inputs.map(([name, file]) => [name, join(compiled, `${file}.js`)])),
  external: id => !id.startsWith('.') && !id.startsWith('/') && !/^[A-Za-z]:/.test(id),
  // Other modules, including the dependencies, have no side effects when they are imported.
  treeshake: { moduleSideEffects: id => withSideEffects.includes(id) },
  plugins: [
    { name: 'schemas', load: id => loadSchemas(id) },
    { name: 'text', renderChunk: code => asAscii(withTabs(withoutComments(code))) }
  ],
  onwarn: warning => { throw new Error(warning.message) }
})
await bundle.write({
  dir: dist,
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  // Keeps the names of exports between the package's own modules.
  minifyInternalExports: false,
  hoistTransitiveImports: false,
  manualChunks: id => chunkOf(relative(compiled, id).split(sep).join('/'))
})
writeDeclarations(compiled, dist, ENTRIES.filter(name => name !== 'cli/main'))
await writeJsonSchemas()
await writeInspectorPage()

/** The chunk of a file. Files that are loaded together share a chunk. */
function chunkOf (file) {
  if ([...ENTRIES, ...Object.values(PROCESSES)].some(name => file === `${name}.js`)) return undefined
  const [room, ...rest] = file.split('/')
  // What every part needs, including commands.
  if (room === 'contract' || QUESTION_FILES.test(file)) return 'question'
  // The inspector and the local PDP.
  if (file === 'kit/loopback-host.js') return 'loopback-host'
  if (room === 'kit' && !/^kit\/(checker|secret|deadlines)\.js$/.test(file)) return 'kit'
  if (/^environment\/file\/(text-file|policy-text|policy-lines|parsed-file)\.js$/.test(file)) return 'policy-text'
  if (/^environment\/file\/(policy-file|policy-stream|check-policy|json-)/.test(file)) return 'policy-file'
  if (/^environment\/file\/yaml-/.test(file)) return 'yaml-file'
  if (file === 'environment/file/policy-schema.js') return 'policy-schema'
  if (file.startsWith('environment/data/')) return 'data'
  if (file.startsWith('environment/shared/') || file === 'pdp/embedded/mutation-schema.js') return 'shared'
  if (file.startsWith('engine/plan/') && file !== 'engine/plan/plan-query.js') return 'planner'
  if (file.startsWith('engine/search/')) return 'search-page'
  if (file.startsWith('decision/plan')) return 'plans'
  if (file === 'decision/search.js') return 'searches'
  // Loaded with the option `bus`; what checks the option is in the core.
  if (/^decision\/(open-fleet|fleet-generations)\.js$/.test(file)) return 'bus'
  const [, transport] = /^bus\/transports\/(custom|redis|postgres|cluster)-bus\.js$/.exec(file) ?? []
  if (transport !== undefined) return `bus/${transport}`
  if (file === 'bus/transports/socket-hub.js') return 'bus/cluster'
  if (room === 'bus' && file !== 'bus/bus-target.js') return 'bus'
  if (file === 'engine/explain/decision-tree.js') return 'decision-tree'
  if (file === 'engine/explain/what-would-allow.js') return 'what-would-allow'
  if (room === 'engine' || room === 'environment') return room
  // Core invalidates decisions by the kind of a mutation.
  if (file === 'pdp/mutation-kinds.js') return 'core'
  // It checks an option.
  if (file === 'pdp/authzen/type-objects.js') return 'core'
  if (/^pdp\/(permit\/((permit|read)-plan|permit-search|permitted-keys|local-pdp-call)|keys-plan|page-reader)\.js$/.test(file)) {
    return 'remote-plans'
  }
  if (/^pdp\/authzen\/((authzen|cerbos)-plan|search-endpoints)\.js$/.test(file)) return 'remote-plans'
  if (room === 'pdp') return ['embedded', 'authzen'].includes(rest[0]) ? rest[0] : 'remote'
  if (file === 'decision/stages/cached.js') return 'cached'
  if (file === 'app/shadow.js') return 'shadow'
  if (file === 'observe/prometheus.js') return 'prometheus'
  if (file === 'observe/opentelemetry.js') return 'opentelemetry'
  // Loaded by the command `import`, and by nothing else.
  if (/^moving\/(?:casbin|openapi)\/|^moving\/fitting-keys/.test(file)) return 'cli/import'
  // Loaded by the commands that move a policy, and by nothing else.
  if (room === 'moving') return 'cli/moving'
  if (file === 'server/http/inspect-local-pdp.js') return 'inspector/local-pdp'
  if (room === 'server') return 'server/local-pdp'
  // Loaded with the option `inspector`.
  if (room === 'inspector') return 'inspector/inspector'
  if (file === 'fastify/inspector-routes.js') return 'inspector/routes'
  if (/^express\/(inspector-handler|routes-of-app)\.js$/.test(file)) return 'inspector/express'
  if (room === 'fastify') return 'fastify'
  if (room === 'oauth') return 'oauth/oauth'
  if (room === 'express') return 'express/middleware'
  if (room === 'trpc' || room === 'browser') return `${room}/${room === 'trpc' ? 'middleware' : 'route'}`
  if (room === 'graphql') return 'graphql/schema'
  if (room === 'mcp') return 'mcp/server'
  if (room === 'nest') return 'nest/module'
  // The code of all targets is separate from the code of SQL targets.
  if (room === 'lists') return file.startsWith('lists/sql/') ? 'lists/sql' : 'lists/mapping'
  if (room === 'cli') return chunkOfCommand(rest.join('/'))
  return 'core'
}

/** The chunk of a file of the CLI: one for each command, and one for each part that several commands load. */
function chunkOfCommand (file) {
  const [, command] = /^commands\/(\w+)-command\.js$/.exec(file) ?? []
  if (command !== undefined) return `cli/${command}`
  if (file === 'run-process.js') return 'cli/commands'
  if (file.startsWith('terminal/')) return 'cli/terminal'
  if (/^query\/(?:query-|decision-source-options)/.test(file)) return 'cli/query'
  if (file.startsWith('query/decision-source')) return 'cli/decision-source'
  if (/^query\/(?:explanation|open-user-set-notes)/.test(file)) return 'cli/explanation'
  if (/^testing\/(?:expectations|given)/.test(file)) return 'cli/expectations'
  if (file.startsWith('testing/')) return 'cli/test-run'
  if (file.startsWith('matrix/')) return 'cli/permission-matrix'
  if (file.startsWith('push-pull/')) return 'cli/push-pull'
  if (file.startsWith('importing/')) return 'cli/import'
  if (file.startsWith('routes/')) return 'cli/load-app'
  if (file.startsWith('typegen/')) return 'cli/policy-names'
  return `cli/${file.replace(/\.js$/, '').replace(/^.*\//, '')}`
}

/** Runs a module that creates checkers, and returns code with the same exports: schemas as literals, checkers as generated code. */
async function loadSchemas (id) {
  if (!id.startsWith(compiled) || !existsSync(id) || id.includes(`${sep}server${sep}`)) return null
  const code = readFileSync(id, 'utf8')
  if (!/^import .*from 'typebox'/m.test(code) || /checker\.js$/.test(id)) return null
  const file = relative(compiled, id).split(sep).join('/')
  // What the pages say of an option. At run time only `expected` is shown.
  const unread = /^(?:app\/options|oauth)\//.test(file) ? ['description', 'shownDefault'] : []
  return codeOf(await import(pathToFileURL(id).href), file, unread)
}

/** Removes comments. The declarations keep those for users. */
function withoutComments (code) {
  const { outputText } = ts.transpileModule(code, { compilerOptions: { removeComments: true, target: 'ES2022', module: 'ESNext' } })
  return outputText
}

/** Indents by tabs, a tenth of the code less than by spaces. What is in a template stays as it is. */
function withTabs (code) {
  const templates = []
  const visit = node => {
    if (ts.isTemplateLiteralToken(node)) templates.push([node.getStart(source), node.end])
    ts.forEachChild(node, visit)
  }
  const source = ts.createSourceFile('chunk.js', code, ts.ScriptTarget.ES2022)
  visit(source)
  const isInTemplate = at => templates.some(([start, end]) => start < at && at < end)
  return code.replace(/^(?: {4})+/gm, (spaces, at) => isInTemplate(at) ? spaces : '\t'.repeat(spaces.length / 4))
}

/** Escapes all other characters: with a single one beyond Latin-1, V8 keeps the text of a module with two bytes for each character. */
function asAscii (code) {
  const escaped = /\\[\u0080-\uffff]/.exec(code)
  if (escaped !== null) throw new Error(`a backslash before ${escaped[0].slice(1)} in the code; remove it`)
  return { code: code.replace(/[\u0080-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`), map: null }
}

/** Writes the JSON Schemas of policy files and test files, for editors. */
async function writeJsonSchemas () {
  const { policyJsonSchema } = await import(pathToFileURL(join(compiled, 'environment/file/policy-schema.js')).href)
  const { expectationsJsonSchema } = await import(pathToFileURL(join(compiled, 'cli/testing/expectations-json-schema.js')).href)
  for (const [name, schema] of Object.entries({ permit: policyJsonSchema(), 'permit.test': expectationsJsonSchema() })) {
    writeFileSync(join(dist, `${name}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`)
  }
}
