// The build: tsc compiles and writes the declarations, each module that makes checkers of schemas is run and replaced by what it made,
// and Rollup joins the rest into a module for each part of the package, so that a start opens few files.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rollup } from 'rollup'
import ts from 'typescript'
import { codeOf } from './schema-code.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
// Within the project, so that dependencies are found from there.
const compiled = join(root, 'node_modules', '.cache', 'compiled')

/** What users import and run; the names are those of package.json. */
const ENTRIES = ['index', 'express/index', 'server/index', 'cli/main', ...['drizzle', 'knex', 'kysely', 'mongo', 'predicate', 'prisma'].map(target => `lists/${target}`)]

/** What is run as a process of its own, by a path beside the module that starts it. */
const PROCESSES = { 'check-process': 'environment/data/check-process' }

rmSync(dist, { recursive: true, force: true })
rmSync(compiled, { recursive: true, force: true })
// Types are checked by `npm run typecheck`.
execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json'), '--outDir', compiled, '--noCheck'], { stdio: 'inherit' })

const bundle = await rollup({
  input: Object.fromEntries([...ENTRIES.map(name => [name, name]), ...Object.entries(PROCESSES)].map(([name, file]) => [name, join(compiled, `${file}.js`)])),
  external: id => !id.startsWith('.') && !id.startsWith('/') && !/^[A-Za-z]:/.test(id),
  // Nothing here does anything when it is only imported, and the same goes for the dependencies.
  treeshake: { moduleSideEffects: id => [join(compiled, 'cli/main.js'), ...Object.values(PROCESSES).map(file => join(compiled, `${file}.js`))].includes(id) },
  plugins: [{ name: 'schemas', load: id => loadSchemas(id) }, { name: 'comments', renderChunk: code => withoutComments(code) }],
  onwarn: warning => { throw new Error(warning.message) }
})
await bundle.write({
  dir: dist,
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  // Names that stay, also of what one module of the package gives another.
  minifyInternalExports: false,
  hoistTransitiveImports: false,
  manualChunks: id => chunkOf(relative(compiled, id).split(sep).join('/'))
})
writeDeclarations()
await writeJsonSchemas()

/** The module of the package that a file becomes part of: what is loaded together is in one, what is not is apart. */
function chunkOf (file) {
  if ([...ENTRIES, ...Object.values(PROCESSES)].some(name => file === `${name}.js`)) return undefined
  const [room, ...rest] = file.split('/')
  // What every part needs, commands included; beside it what needs Node's hashes.
  if (room === 'contract' || /^(decision\/(query|query-key|input-checks)|engine\/(facts\/fact|policy\/problems)|kit\/digest)\.js$/.test(file)) return 'question'
  if (room === 'kit' && !/^kit\/(checker|secret|deadlines)\.js$/.test(file)) return 'kit'
  if (/^environment\/file\/(text-file|policy-text|policy-lines)\.js$/.test(file)) return 'policy-text'
  if (/^environment\/file\/policy-(file|json)/.test(file)) return 'policy-file'
  if (/^environment\/file\/yaml-/.test(file)) return 'yaml-file'
  if (file === 'environment/file/policy-schema.js') return 'policy-schema'
  if (file.startsWith('environment/data/')) return 'data'
  if (file.startsWith('engine/plan/') && file !== 'engine/plan/plan-query.js') return 'planner'
  if (file.startsWith('decision/plan')) return 'plans'
  if (room === 'engine' || room === 'environment') return room
  // Core invalidates decisions by the kind of a mutation.
  if (file === 'pdp/mutation-kinds.js') return 'core'
  if (file === 'pdp/permit/permit-plan.js' || file === 'pdp/permit/read-plan.js') return 'remote-plans'
  if (room === 'pdp') return rest[0] === 'embedded' ? 'embedded' : 'remote'
  if (file === 'decision/stages/cached.js') return 'cached'
  if (file === 'observe/prometheus.js') return 'prometheus'
  if (file === 'observe/opentelemetry.js') return 'opentelemetry'
  if (room === 'server') return 'server/local-pdp'
  if (room === 'fastify') return 'fastify'
  if (room === 'express') return 'express/middleware'
  // What all targets have is apart from what those of SQL have.
  if (room === 'lists') return file.startsWith('lists/sql/') ? 'lists/sql' : 'lists/mapping'
  // A module for each command, which loads what it needs.
  if (room === 'cli') {
    if (rest[0] === 'terminal') return 'cli/terminal'
    return /^asking\/question|^asking\/authority-options/.test(rest.join('/')) ? 'cli/question' : file.replace(/\.js$/, '')
  }
  return 'core'
}

/** A module that makes checkers is run, and what it exports is written down: schemas as literals, checkers as the code that TypeBox made. */
async function loadSchemas (id) {
  if (!id.startsWith(compiled) || !existsSync(id) || id.includes(`${sep}server${sep}`)) return null
  const code = readFileSync(id, 'utf8')
  if (!/^import .*from 'typebox'/m.test(code) || /checker\.js$/.test(id)) return null
  return codeOf(await import(pathToFileURL(id).href), relative(compiled, id))
}

/** Comments are in the repository, and those for users in the declarations. */
function withoutComments (code) {
  const { outputText } = ts.transpileModule(code, { compilerOptions: { removeComments: true, target: 'ES2022', module: 'ESNext' } })
  return { code: outputText, map: null }
}

/** The declarations that the entries lead to, as tsc wrote them. */
function writeDeclarations () {
  const seen = new Set()
  const copy = file => {
    if (seen.has(file)) return
    seen.add(file)
    const to = join(dist, relative(compiled, file))
    mkdirSync(dirname(to), { recursive: true })
    cpSync(file, to)
    for (const { fileName: name } of ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles) {
      if (name.startsWith('.')) copy(join(dirname(file), name.replace(/\.js$/, '.d.ts')))
    }
  }
  for (const name of ENTRIES) if (name !== 'cli/main') copy(join(compiled, `${name}.d.ts`))
}

/** The JSON Schemas of the policy file and of test files, for editors. */
async function writeJsonSchemas () {
  const { policyJsonSchema } = await import(pathToFileURL(join(compiled, 'environment/file/policy-schema.js')).href)
  const { expectationsJsonSchema } = await import(pathToFileURL(join(compiled, 'cli/testing/expectations-json-schema.js')).href)
  for (const [name, schema] of Object.entries({ permit: policyJsonSchema(), 'permit.test': expectationsJsonSchema() })) {
    writeFileSync(join(dist, `${name}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`)
  }
}
