// What npm pack makes is what a user gets: compiled, complete, and with nothing that only this repository needs.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { built } from './support/built.js'

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
const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string, files: Array<{ path: string }> }]
await run('tar', ['-xzf', join(user, filename), '-C', user])
await mkdir(join(user, 'node_modules'))
await rename(join(user, 'package'), installed)
const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as
  { exports: Record<string, unknown>, dependencies: Record<string, string>, peerDependencies: Record<string, string> }

t.test('it ships compiled JavaScript, declarations, maps, the schemas of policy files and test files, and the pages that the README leads to, and nothing else', async t => {
  const others = files.map(({ path }) => path).filter(path => !['dist/permit.schema.json', 'dist/permit.test.schema.json'].includes(path) && !/^dist\/.+\.(js|js\.map|d\.ts)$|^docs\/.+\.md$/.test(path))
  t.same(others.sort(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'docs/openapi.png', 'package.json'])
  const shipped = new Set(files.map(({ path }) => path))
  for (const [, page = ''] of (await readFile(join(root, 'README.md'), 'utf8')).matchAll(/\]\((docs\/[\w./-]+\.md)/g)) t.ok(shipped.has(page), page)
})

t.test('each source file is there in all three forms', async t => {
  const paths = new Set(files.map(({ path }) => path))
  const sources = (await readdir(join(root, 'src'), { recursive: true })).filter(name => name.endsWith('.ts'))
  for (const source of sources) {
    const name = `dist/${source.replaceAll('\\', '/').slice(0, -'.ts'.length)}`
    t.ok(paths.has(`${name}.js`) && paths.has(`${name}.js.map`) && paths.has(`${name}.d.ts`), name)
  }
})

t.test('what it imports is what it asks npm to install, and the other way round', async t => {
  const imported = new Set<string>()
  for (const { path } of files) {
    if (!/\.(js|d\.ts)$/.test(path)) continue
    const { importedFiles } = ts.preProcessFile(await readFile(join(installed, path), 'utf8'))
    for (const { fileName: name } of importedFiles) {
      if (name.startsWith('.') || isBuiltin(name)) continue
      imported.add(name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/'))
    }
  }
  t.same([...imported].sort(), [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].sort())
})

t.test('a user can import what its exports name', async t => {
  for (const name of Object.keys(manifest.exports)) {
    const specifier = name.replace(/^\./, 'fastify-permit')
    const { stdout } = await run(process.execPath, ['-p', `require.resolve('${specifier}')`], { cwd: user, env })
    t.ok(stdout.startsWith(installed), specifier)
  }
  await t.rejects(run(process.execPath, ['-p', "require.resolve('fastify-permit/dist/plugin.js')"], { cwd: user, env }), /ERR_PACKAGE_PATH_NOT_EXPORTED/)
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

t.test('a user can write apps with it that are type-checked, declarations included', async t => {
  await writeFile(join(user, 'app.ts'), APP)
  await writeFile(join(user, 'express-app.ts'), EXPRESS_APP)
  await writeFile(join(user, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, target: 'ES2022', module: 'NodeNext', types: ['node'], outDir: 'out' },
    files: ['app.ts', 'express-app.ts']
  }))
  const { stdout: complaints } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', user], { cwd: user, env })
    .catch((error: { stdout: string }) => error)
  t.equal(complaints, '')
})

t.test('the routes of such an app are guarded', async t => {
  const { stdout } = await run(process.execPath, [join(user, 'out/app.js')], { cwd: user, env })
  t.same(stdout.trim().split('\n'), ['200', '403', '401', '403'])
})

t.test('what an Express app imports loads nothing of Fastify, neither when it runs nor when it is type-checked', async t => {
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
    t.ok(seen.size > 15, `${seen.size} files`)
    t.same([...packages].filter(name => /^(fastify|fastify-plugin|find-my-way)(\/|$)/.test(name)), [], entry)
    t.notOk([...seen].some(path => /dist\/(fastify|plugin|local\/server)/.test(path)), entry)
    // At run time not even Express: the app brings its own.
    if (own.test('x.js')) t.notOk(packages.has('express'))
  }
})

t.test('those of an Express app are guarded, and it ends when its server is closed', async t => {
  const { stdout } = await run(process.execPath, [join(user, 'out/express-app.js')], { cwd: user, env })
  t.same(stdout.trim().split('\n'), ['200', '403', '401', '403'])
})

t.test('a map leads from the compiled code to the source that it carries', async t => {
  const map = JSON.parse(await readFile(join(installed, 'dist/plugin.js.map'), 'utf8'))
  t.match(map.sourcesContent[0], 'export default fp(permit')
})

t.test('the declarations of the package name each public error and type', async t => {
  const face = await import(pathToFileURL(join(installed, 'dist/index.js')).href) as Record<string, unknown>
  t.type(face.default, 'function')
  t.equal(face.permit, face.default)
  for (const name of ['OptionsError', 'AnnotationError', 'PolicyFileError', 'QueryError', 'UnauthenticatedError', 'ForbiddenError', 'UnavailableError']) {
    t.type(face[name], 'function', name)
  }
})
