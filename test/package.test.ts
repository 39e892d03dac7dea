// What npm pack makes is what a user gets: compiled, complete, and with nothing that only this repository needs.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { built } from './support/built.js'
import './support/loader.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
// Packed as it was built: building it here would take away what other tests are running.
built('index.js')

// Within the project, so that what a user would have installed beside the package is found; and not below its
// package.json alone, by which the project would be found in place of the package.
await mkdir(join(root, '.tap'), { recursive: true })
const user = await mkdtemp(join(root, '.tap', 'package-'))
const installed = join(user, 'node_modules', 'fastify-permit')
// Not by teardown: that does not run when packing fails.
process.once('exit', () => rmSync(user, { recursive: true, force: true }))
await writeFile(join(user, 'package.json'), '{ "name": "somebody", "private": true, "type": "module" }')

// What the test runner has in its environment is not for npm and Node as a user runs them.
const { NODE_OPTIONS: _, ...env } = process.env
const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--silent', '--pack-destination', user], { cwd: root, env })
const [{ filename, files, size }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string, size: number, files: Array<{ path: string }> }]
await run('tar', ['-xzf', join(user, filename), '-C', user])
await mkdir(join(user, 'node_modules'))
await rename(join(user, 'package'), installed)
const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as
  { exports: Record<string, unknown>, dependencies: Record<string, string>, peerDependencies: Record<string, string> }

t.test('it contains compiled JavaScript, declarations, the schemas of policy files and test files, the inspector\'s page, the pages and what they link to, and nothing else', async t => {
  const others = files.map(({ path }) => path).filter(path => !['dist/permit.schema.json', 'dist/permit.test.schema.json', 'dist/inspector/page.css'].includes(path) && !/^dist\/.+\.(js|d\.ts)$|^docs\/.+\.(?:md|svg)$|^example-app\/.+\.(ts|jsx|ya?ml|json)$/.test(path))
  t.same(others.sort(), ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'bench/chart.svg', 'bench/results.json', 'package.json'])
})

/** Documents that lead into the repository, and the sentence by which they say so. */
const OF_THE_REPOSITORY: Readonly<Record<string, string>> = { 'SECURITY.md': 'Links to `src/` and `test/` lead into the repository' }

t.test('every link in its pages leads to an existing file or heading in the package, or says that it leads into the repository', async t => {
  const shipped = new Set(files.map(({ path }) => path))
  const exists = (path: string) => shipped.has(path) || files.some(file => file.path.startsWith(`${path.replace(/\/$/, '')}/`))
  const read = (path: string) => readFile(join(installed, path), 'utf8')
  let links = 0
  for (const page of [...shipped].filter(path => path.endsWith('.md'))) {
    const text = (await read(page)).replaceAll(/^```[^]*?^```$/gm, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      links++
      const [path = '', anchor] = target.split('#')
      const to = path === '' ? page : join(dirname(page), path)
      if (/^(src|test)\//.test(to)) {
        t.match(text, OF_THE_REPOSITORY[page] ?? /^never$/, `${page} leads to ${target} and says where that is`)
        continue
      }
      // Each picture weighs as much as half of the code.
      if (to === 'docs/openapi.png' || to === 'docs/inspector.png') continue
      t.ok(exists(to), `${page} leads to ${target}`)
      if (anchor !== undefined && to.endsWith('.md')) t.ok(anchorsOf(await read(to)).has(anchor), `${page} leads to ${target}, a heading`)
    }
  }
  t.ok(links > 100, `${links} links`)
})

t.test('every page is linked from another one', async t => {
  const pages = files.map(({ path }) => path).filter(path => path.endsWith('.md') && path !== 'README.md')
  const led = new Set<string>()
  for (const page of ['README.md', ...pages]) {
    for (const [, target = ''] of (await readFile(join(installed, page), 'utf8')).matchAll(/\]\(([^)\s#]+)/g)) {
      const to = join(dirname(page), target)
      if (to !== page) led.add(to)
    }
  }
  t.same(pages.filter(page => !led.has(page)), ['CHANGELOG.md'], 'but for the one that everybody looks for by its name')
})

/** As GitHub and npm name the headings of a page. */
function anchorsOf (page: string): Set<string> {
  return new Set([...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(/[^\w\s-]/g, '').replaceAll(/\s/g, '-')))
}

t.test('it contains a declaration for each file that the public ones import, and no other', async t => {
  const shipped = files.map(({ path }) => path).filter(path => path.endsWith('.d.ts'))
  const led = new Set<string>()
  const follow = async (path: string): Promise<void> => {
    if (led.has(path)) return
    led.add(path)
    const { importedFiles } = ts.preProcessFile(await readFile(join(installed, path), 'utf8'))
    for (const { fileName: name } of importedFiles) if (name.startsWith('.')) await follow(join(dirname(path), name.replace(/\.js$/, '.d.ts')))
  }
  for (const entry of ['dist/index.d.ts', 'dist/express/index.d.ts', 'dist/nest/index.d.ts', 'dist/trpc/index.d.ts', 'dist/graphql/index.d.ts', 'dist/browser/index.d.ts', 'dist/mcp/index.d.ts', 'dist/server/index.d.ts', 'dist/oauth/client-credentials.d.ts', ...['drizzle', 'knex', 'kysely', 'mongo', 'predicate', 'prisma'].map(name => `dist/lists/${name}.d.ts`)]) await follow(entry)
  t.same(shipped.sort(), [...led].sort())
})

t.test('the code is bundled into few modules with clear names, and is small', async t => {
  const modules = files.map(({ path }) => path).filter(path => path.endsWith('.js'))
  t.ok(modules.length < 95, `${modules.length} modules`)
  t.same(modules.filter(path => !/^dist\/(?:[a-z]+\/)?[a-z-]+\.js$/.test(path)), [])
  t.ok(size <= 680_000, `packed it has ${size} bytes`)
})

t.test('modules of Node are ASCII, so that V8 keeps one byte for each character', async t => {
  const modules = files.map(({ path }) => path).filter(path => path.endsWith('.js') && path !== 'dist/inspector/page.js')
  t.ok(modules.includes('dist/core.js'))
  for (const path of modules) t.notMatch(await readFile(join(installed, path), 'latin1'), /[\x80-\xff]/, path)
})

t.test('no module imports one of Node whose exports all have to be computed for it', async t => {
  for (const { path } of files) if (path.endsWith('.js')) t.notMatch(await readFile(join(installed, path), 'utf8'), /from 'node:(?:tls|process)'/, path)
})

t.test('no code is generated from strings at run time', async t => {
  for (const { path } of files) if (path.endsWith('.js')) t.notMatch(await readFile(join(installed, path), 'utf8'), /\bnew Function\b|\beval\(/, path)
})

t.test('its imports are exactly its dependencies', async t => {
  const imported = new Set<string>()
  for (const { path } of files) {
    if (!/\.(js|d\.ts)$/.test(path)) continue
    const { importedFiles } = ts.preProcessFile(await readFile(join(installed, path), 'utf8'))
    for (const { fileName: name } of importedFiles) {
      if (name.startsWith('.') || isBuiltin(name)) continue
      imported.add(name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/'))
    }
  }
  // These are loaded when an option needs them, by a function that gets the name.
  const code = (await Promise.all(files.filter(({ path }) => path.endsWith('.js')).map(({ path }) => readFile(join(installed, path), 'utf8')))).join('\n')
  for (const name of ['@modelcontextprotocol/sdk', '@nestjs/websockets', 'ioredis', 'oauth4webapi', 'pg', 're2js', 'redis']) if (new RegExp(`["']${name}["']`).test(code)) imported.add(name)
  t.same([...imported].sort(), [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].sort())
})

t.test('every export can be imported', async t => {
  for (const name of Object.keys(manifest.exports)) {
    const specifier = name.replace(/^\./, 'fastify-permit')
    const { stdout } = await run(process.execPath, ['-p', `require.resolve('${specifier}')`], { cwd: user, env })
    t.ok(stdout.startsWith(installed), specifier)
  }
  await t.rejects(run(process.execPath, ['-p', "require.resolve('fastify-permit/dist/fastify/plugin.js')"], { cwd: user, env }), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
})

const APP = `
import Fastify from 'fastify'
import permit, { ForbiddenError, type PermitOptions } from 'fastify-permit'

const options: PermitOptions = {
  policy: {
    resources: { task: { actions: { create: {} } } },
    roles: { admin: { permissions: ['task:create'] } },
    users: { ada: {}, victor: {} },
    role_assignments: [{ user: 'ada', role: 'admin' }]
  },
  user: request => request.headers['x-user']?.toString()
}

const app = Fastify()
await app.register(permit, options)
app.post('/tasks', { config: { permit: 'task:create' } }, async request => request.permit.check('create', 'task'))

for (const headers of [{ 'x-user': 'ada' }, { 'x-user': 'victor' }, {}]) {
  const { statusCode } = await app.inject({ method: 'POST', url: '/tasks', headers })
  console.log(statusCode)
}
console.log(new ForbiddenError().statusCode)
await app.close()
`

const EXPRESS_APP = `
import express from 'express'
import { guard, permit, ForbiddenError, type PermitOptions } from 'fastify-permit/express'

const options: PermitOptions = {
  policy: {
    resources: { task: { actions: { create: {}, retrieve: {} } } },
    roles: { admin: { permissions: ['task:create'] } },
    users: { ada: {}, victor: {} },
    role_assignments: [{ user: 'ada', role: 'admin' }]
  },
  user: request => request.headers['x-user']?.toString()
}

const app = express()
const authz = permit(options)
app.use(authz)
app.post('/tasks/:id', guard('task:create'), async (req, res) => {
  const id: string = req.params.id
  res.json([id, await req.permit.check('create', 'task')])
})
app.set('env', 'test')

const server = authz.closeWith(app.listen(0, '127.0.0.1', async () => {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const headers of [{ 'x-user': 'ada' }, { 'x-user': 'victor' }, undefined]) {
    const answer = await fetch(\`http://127.0.0.1:\${port}/tasks/7\`, { method: 'POST', headers })
    console.log(answer.status)
  }
  console.log(new ForbiddenError().statusCode)
  server.close()
  server.closeAllConnections()
}))
`

/** How many declarations of the package were checked. */
let declarations = 0

/** Both in one run: what takes the time is not the apps but the declarations. */
const compiling = compile({ 'app.ts': APP, 'express-app.ts': EXPRESS_APP })

/** What the compiler says of the apps and of the package's declarations. Those of other packages are theirs. */
async function compile (sources: Record<string, string>): Promise<string[]> {
  for (const [name, source] of Object.entries(sources)) await writeFile(join(user, name), source)
  const program = ts.createProgram(Object.keys(sources).map(name => join(user, name)), {
    strict: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    outDir: join(user, 'out')
  })
  const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(user))
  declarations = own.filter(({ fileName }) => fileName.startsWith(installed)).length
  const found = [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...program.emit().diagnostics]
  for (const file of own) found.push(...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file))
  return found.map(({ file, messageText }) => `${file?.fileName} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
}

t.test('an app with it can be type-checked, including declarations, and is guarded', async t => {
  t.same(await compiling, [])
  t.ok(declarations > 15, `${declarations} declarations of the package`)
  const { stdout } = await run(process.execPath, [join(user, 'out/app.js')], { cwd: user, env })
  t.same(stdout.trim().split('\n'), ['200', '403', '401', '403'])
})

t.test('an Express app loads nothing of Fastify, neither at run time nor in types', async t => {
  for (const [entry, own] of [['dist/express/index.js', /\.js$/], ['dist/express/index.d.ts', /\.d\.ts$/]] as const) {
    const packages = new Set<string>()
    const seen = new Set<string>()
    const follow = async (path: string): Promise<void> => {
      if (seen.has(path)) return
      seen.add(path)
      const { importedFiles } = ts.preProcessFile(await readFile(path, 'utf8'))
      for (const { fileName: name } of importedFiles) {
        if (name.startsWith('.')) await follow(join(path, '..', own.test('x.js') ? name : name.replace(/\.js$/, '.d.ts')))
        else packages.add(name)
      }
    }
    await follow(join(installed, entry))
    t.ok(seen.size > (own.test('x.js') ? 1 : 15), `${seen.size} files`)
    t.same([...packages].filter(name => /^(fastify|fastify-plugin|find-my-way)(\/|$)/.test(name)), [], entry)
    t.notOk([...seen].some(path => /dist\/(fastify|server)/.test(path)), entry)
    // At run time not even Express: the app brings its own.
    if (own.test('x.js')) t.notOk(packages.has('express'))
  }
})

t.test('an Express app with it can be type-checked, is guarded, and ends when its server is closed', async t => {
  t.same(await compiling, [])
  const { stdout } = await run(process.execPath, [join(user, 'out/express-app.js')], { cwd: user, env })
  t.same(stdout.trim().split('\n'), ['200', '403', '401', '403'])
})

const COMMON_JS_APP = `
const Fastify = require('fastify')

async function main () {
  const [{ default: permit }, express, pdp] = await Promise.all([load('fastify-permit'), load('fastify-permit/express'), load('fastify-permit/pdp')])
  console.log(typeof express.permit, typeof express.guard, typeof pdp.createLocalPdp)
  const app = Fastify()
  await app.register(permit, {
    policy: {
      resources: { task: { actions: { create: {} } } },
      roles: { admin: { permissions: ['task:create'] } },
      users: { ada: {}, victor: {} },
      role_assignments: [{ user: 'ada', role: 'admin' }]
    },
    user: request => request.headers['x-user']
  })
  app.post('/tasks', { config: { permit: 'task:create' } }, async () => 'ok')
  for (const headers of [{ 'x-user': 'ada' }, { 'x-user': 'victor' }, {}]) {
    const { statusCode } = await app.inject({ method: 'POST', url: '/tasks', headers })
    console.log(statusCode)
  }
  await app.close()
}

main()
`

t.test('a CommonJS app can use require where Node supports it, and import on every version, and the error says which', async t => {
  const result = ['function function function', '200', '403', '401']
  const runApp = async (name: string, load: string) => {
    await writeFile(join(user, name), `const load = ${load}\n${COMMON_JS_APP}`)
    const { stdout } = await run(process.execPath, [join(user, name)], { cwd: user, env })
    return stdout.trim().split('\n')
  }
  t.same(await runApp('imports.cjs', 'name => import(name)'), result)
  const required = runApp('requires.cjs', 'async name => require(name)')
  if ((process.features as { require_module?: boolean }).require_module === true) t.same(await required, result)
  else await t.rejects(required, /ERR_REQUIRE_ESM/)
})

t.test('the declarations of the package name each public error and type', async t => {
  const face = await import(pathToFileURL(join(installed, 'dist/index.js')).href) as Record<string, unknown>
  t.type(face.default, 'function')
  t.equal(face.permit, face.default)
  for (const name of ['OptionsError', 'AnnotationError', 'PolicyFileError', 'QueryError', 'UnauthenticatedError', 'ForbiddenError', 'UnavailableError']) {
    t.type(face[name], 'function', name)
  }
})
