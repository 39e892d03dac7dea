// Types, tested as types: what the policy has compiles and is completed, what it does not have does not compile.
/* eslint no-template-curly-in-string: off -- these are statements to be compiled */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { declarationOf } from '../../src/cli/typegen/type-declaration.js'
import { namesOf } from '../../src/cli/typegen/policy-names.js'
import { built } from '../support/built.js'
import { remembering } from '../support/compiler-host.js'
import '../support/loader.js'

built('index.d.ts')
const root = fileURLToPath(new URL('../../', import.meta.url))

const DECLARATION = declarationOf({
  resources: new Map([
    ['task', { actions: ['create', 'retrieve'], roles: ['owner', 'helper'], relations: ['parent'] }],
    ['folder', { actions: ['open', 'retrieve'], roles: ['keeper'], relations: [] }]
  ]),
  roles: ['admin', 'viewer']
}, 'a test')

const START = `
import Fastify from 'fastify'
import permit from 'fastify-permit'
import { permit as expressPermit } from 'fastify-permit/express'
import { Permit, type NestRequest } from 'fastify-permit/nest'
const id: string = 'x'
const app = Fastify()
await app.register(permit, { policy: './permit.yaml' })
const { api } = app.permit
const authz = expressPermit({ policy: './permit.yaml' })
const handler = async () => 'ok'
`

/** Each by itself; `request` is one. */
const RIGHT = [
  "app.get('/', { config: { permit: 'task:create' } }, handler)",
  "app.get('/', { config: { permit: false } }, handler)",
  "app.get('/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, handler)",
  "app.get('/:id', { config: { permit: { action: 'open', resource: { type: 'folder', key: '{id}', tenant: 'a' } } } }, handler)",
  "app.get('/', { config: { permit: { action: 'retrieve', resource: request => ({ type: 'task', key: request.id }) } } }, handler)",
  "app.get('/', { config: { permit: { anyOf: ['task:create', { allOf: ['folder:open', { action: 'create', resource: 'task' }] }] } } }, handler)",
  "app.get('/', { config: { permit: request => request.method === 'GET' ? 'task:create' : { action: 'open', resource: 'folder' } } }, handler)",
  "app.get('/', { preHandler: app.permit.guard({ action: 'open', resource: 'folder' }) }, handler)",
  "app.get('/', request => request.permit.check('retrieve', 'task'))",
  "app.get('/', request => request.permit.check('open', `folder:${id}`))",
  "app.get('/', request => request.permit.assert('open', { type: 'folder', key: id, tenant: 'a' }, { context: { hour: 9 } }))",
  "app.get('/', request => request.permit.filter('retrieve', [{ id }], item => ({ type: 'task', key: item.id })))",
  "app.get('/', request => request.permit.filter('open', [{ id }], item => `folder:${item.id}`))",
  "app.get('/', request => request.permit.bulkCheck([{ action: 'open', resource: 'folder:1' }, { action: 'create', resource: 'task' }]))",
  "void app.permit.check('ann', 'create', 'task')",
  "void app.permit.check('ann', 'create', 'task', { tenant: 'a', context: { hour: 9 } })",
  "void app.permit.explain('ann', 'open', `folder:${id}`, { context: { ip: id } })",
  "void app.permit.filter('ann', 'open', [id], key => `folder:${key}`, { tenant: 'a' })",
  "void app.permit.bulkCheck('ann', [{ action: 'open', resource: 'folder:1', tenant: 'a' }], { context: { hour: 9 } })",
  "void app.permit.bulkCheck([{ user: 'ann', action: 'open', resource: 'folder:1' }, { user: { key: id }, action: 'create', resource: 'task' }], { tenant: 'a' })",
  "void authz.permit.assert('ann', 'create', 'task', { tenant: 'a', context: { hour: 9 } })",
  "void app.permit.permissions('ann', { resourceTypes: ['task'] })",
  "void app.permit.permissions('ann', { resourceTypes: ['__tenant', 'task'], attributes: true })",
  "void app.permit.filter('ann', 'open', new Set([id]), key => `folder:${key}`, { tenant: 'a', limit: 5 })",
  "void app.permit.filter('ann', 'open', (async function * () { yield id })(), key => `folder:${key}`)",
  "app.get('/', request => request.permit.searchResources('open', 'folder', { limit: 5 }).toArray())",
  "app.get('/', async request => { for await (const { type, key } of request.permit.searchResources('retrieve', 'task')) void request.permit.check('retrieve', { type, key }) })",
  "app.get('/', async request => { for await (const action of request.permit.searchActions('folder:1')) void request.permit.check(action, 'folder:1') })",
  "void app.permit.searchActions('ann', { type: 'task', key: id }, { context: { hour: 9 }, signal: AbortSignal.timeout(9) })",
  "void app.permit.searchUsers('open', 'folder:1', { tenant: 'a', conditions: 'none' })",
  "void app.permit.tenants('ann', { action: 'open', resource: 'folder' })",
  "void authz.permit.tenants('ann', { limit: 5 })",
  "api.syncUser({ key: 'ann', roles: [{ role: 'admin' }] })",
  "api.assignRole('ann', 'viewer', 'tenant2')",
  "api.assignRole({ user: 'ann', role: 'owner', resourceInstance: 'task:1' })",
  "api.assignResourceRole('ann', 'owner', 'task:1')",
  "api.assignResourceRole('ann', 'keeper', { resource: 'folder', key: '1' })",
  "api.createRelationshipTuple({ subject: 'folder:1', relation: 'parent', object: 'task:1' })",
  "api.createResourceInstance({ resource: 'folder', key: '1' })",
  "Permit('task:create')",
  "Permit({ action: 'open', resource: 'folder:{id}' })",
  "Permit({ anyOf: ['task:create', { action: 'retrieve', resource: 'task:{id}' }] })",
  "Permit(({ graphql }) => ({ action: 'open', resource: { type: 'folder', key: String(graphql?.root) } }))",
  "Permit((request: NestRequest & { token: string }) => ({ action: 'create', resource: { type: 'task', key: request.token } }))",
  "Permit({ GET: 'task:retrieve', POST: 'task:create' })"
]

const WRONG = [
  "app.get('/', { config: { permit: 'task:fly' } }, handler)",
  "app.get('/', { config: { permit: 'tusk:create' } }, handler)",
  "app.get('/', { config: { permit: true } }, handler)",
  "app.get('/:id', { config: { permit: { action: 'fly', resource: 'task:{id}' } } }, handler)",
  "app.get('/:id', { config: { permit: { action: 'open', resource: 'task:{id}' } } }, handler)",
  "app.get('/', { config: { permit: { action: 'open', resource: () => ({ type: 'task' }) } } }, handler)",
  "app.get('/', { config: { permit: { anyOf: ['task:create', 'task:crate'] } } }, handler)",
  "app.get('/', { config: { permit: () => 'task:fly' } }, handler)",
  "app.get('/', { preHandler: app.permit.guard('folder:fly') }, handler)",
  "app.get('/', request => request.permit.check('reed', 'task'))",
  "app.get('/', request => request.permit.check('open', 'task:1'))",
  "app.get('/', request => request.permit.check('open', { type: 'floder' }))",
  "app.get('/', request => request.permit.assert('retrieve', 'tusk'))",
  "app.get('/', request => request.permit.explain('retrieve', `tusk:${id}`))",
  "app.get('/', request => request.permit.filter('open', [id], key => ({ type: 'task', key })))",
  "app.get('/', request => request.permit.bulkCheck([{ action: 'open', resource: 'task:1' }]))",
  "void app.permit.check('ann', 'open', 'task')",
  "void app.permit.bulkCheck([{ user: 'ann', action: 'open', resource: 'task' }])",
  "void app.permit.permissions('ann', { resourceTypes: ['tusk'] })",
  "void app.permit.searchResources('ann', 'open', 'task')",
  "void app.permit.searchResources('ann', 'retrieve', 'tusk')",
  "void app.permit.searchUsers('open', 'task:1')",
  "void app.permit.searchActions('ann', 'tusk:1')",
  "void app.permit.tenants('ann', { action: 'open', resource: 'task' })",
  "app.get('/', async request => { for await (const action of request.permit.searchActions('folder:1')) void request.permit.check(action, 'task:1') })",
  "api.syncUser({ key: 'ann', roles: [{ role: 'boss' }] })",
  "api.assignRole('ann', 'boss')",
  "api.assignRole({ user: 'ann', role: 'boss', resourceInstance: 'task:1' })",
  "api.assignResourceRole('ann', 'keeper', 'task:1')",
  "api.unassignResourceRole('ann', 'owner', 'folder:1')",
  "api.createRelationshipTuple({ subject: 'folder:1', relation: 'child', object: 'task:1' })",
  "api.createRelationshipTuple({ subject: 'folder:1', relation: 'parent', object: 'folder:2' })",
  "api.createResourceInstance({ resource: 'tusk', key: '1' })",
  "Permit('task:creat')",
  "Permit({ action: 'open', resource: 'task:{id}' })",
  "Permit({ anyOf: ['task:create', 'task:crate'] })",
  "Permit(({ ws }) => ({ action: 'open', resource: { type: 'task', key: String(ws?.data) } }))",
  "Permit({ GET: 'task:retrieve', POST: 'task:creat' })"
]

/** What stands where the options belong and is none, such as the context itself: a word that was dropped would leave another question. */
const NO_OPTIONS = [
  "void app.permit.check('ann', 'create', 'task', { ip: '::1' })",
  "void app.permit.check('ann', 'create', 'task', { tenant: 'a', ip: '::1' })",
  "void app.permit.assert('ann', 'create', 'task', { hour: 9 })",
  "void app.permit.explain('ann', 'create', 'task', { 'cerbos.includeMeta': true })",
  "void app.permit.check('ann', 'create', 'task', 'a')",
  "void app.permit.check('ann', 'create', 'task', { tenants: ['a'] })",
  "void app.permit.bulkCheck('ann', [{ action: 'create', resource: 'task', user: 'bob' }])",
  "void app.permit.filter('ann', 'create', [id], () => 'task', { ip: '::1' })",
  "void app.permit.permissions('ann', { tenant: 'a' })",
  "void app.permit.searchUsers('create', 'task', { ip: '::1' })",
  "void app.permit.tenants('ann', { tenant: 'a' })",
  "void authz.permit.check('ann', 'create', 'task', { ip: '::1' })",
  "void authz.permit.explain('ann', 'create', 'task', { hour: 9 })",
  "app.get('/', request => request.permit.check('create', 'task', { ip: '::1' }))",
  "app.get('/', request => request.permit.filter('create', [id], () => 'task', { hour: 9 }))",
  "app.get('/', request => request.permit.permissions({ resource_types: ['task'] }))"
]

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  strict: true,
  noEmit: true,
  skipLibCheck: true
}

/** The packages' declarations are read once, for all programs. */
const HOST = remembering(ts.createCompilerHost(OPTIONS))

/** A project within this one, so that it finds the package as a user's code does: as it was built. */
async function project (t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(join(root, '.tap'), { recursive: true })
  const folder = await mkdtemp(join(root, '.tap', 'types-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

/** The first line of what the compiler has against each statement, undefined where it has nothing. */
function complaints (folder: string, names: readonly string[], statements: readonly string[]): (string | undefined)[] {
  const program = ts.createProgram(names.map(name => join(folder, name)), OPTIONS, HOST)
  const file = program.getSourceFile(join(folder, 'app.ts')) as ts.SourceFile
  const found = new Map<number, string>()
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    if (diagnostic.file !== file) throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
    found.set(file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line, ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
  }
  const first = START.split('\n').length - 1
  if ([...found.keys()].some(line => line < first)) throw new Error([...found.values()].join('\n'))
  return statements.map((_, index) => found.get(first + index)?.split('\n')[0])
}

t.test('with the declaration of a policy, its permissions, types and roles compile', async t => {
  const folder = await project(t, { 'app.ts': START + RIGHT.join('\n'), 'permit.d.ts': DECLARATION })
  const found = complaints(folder, ['app.ts', 'permit.d.ts'], RIGHT)
  RIGHT.forEach((statement, index) => t.equal(found[index], undefined, statement))
})

t.test('with the declaration of a policy, unknown names do not compile', async t => {
  const folder = await project(t, { 'app.ts': START + WRONG.join('\n'), 'permit.d.ts': DECLARATION })
  const found = complaints(folder, ['app.ts', 'permit.d.ts'], WRONG)
  WRONG.forEach((statement, index) => t.type(found[index], 'string', statement))
})

t.test('without a declaration, every name compiles, but an invalid annotation does not', async t => {
  const statements = [...RIGHT, ...WRONG]
  const folder = await project(t, { 'app.ts': START + statements.join('\n') })
  const found = complaints(folder, ['app.ts'], statements)
  statements.forEach((statement, index) => {
    if (statement.includes('permit: true')) t.type(found[index], 'string', statement)
    else t.equal(found[index], undefined, statement)
  })
})

t.test('the context in place of the options does not compile, nor does any unknown option, with or without a declaration', async t => {
  for (const declaration of [DECLARATION, '']) {
    const folder = await project(t, { 'app.ts': START + NO_OPTIONS.join('\n'), 'permit.d.ts': declaration })
    const found = complaints(folder, ['app.ts', 'permit.d.ts'], NO_OPTIONS)
    NO_OPTIONS.forEach((statement, index) => t.type(found[index], 'string', statement))
  }
})

/** A policy that declares attributes, as its file does. */
const WITH_ATTRIBUTES = declarationOf(namesOf({
  resources: {
    task: { actions: { create: {}, retrieve: {} }, attributes: { secret: { type: 'bool' }, level: { type: 'number' }, 'due-at': { type: 'time' }, tags: { type: 'array' } } },
    folder: { actions: { open: {} } }
  },
  user_attributes: { team: { type: 'string' } },
  tenant_attributes: { plan: { type: 'string' } },
  user_sets: { late: { conditions: { allOf: [{ 'context.hour': { between: [18, 24] } }, { 'context.place': { equals: { ref: 'user.team' } } }] } } }
}), 'a test')

const RIGHT_ATTRIBUTES = [
  "app.get('/', request => request.permit.check('retrieve', { type: 'task', key: id, attributes: { secret: true, level: 3, 'due-at': '2026-01-01', tags: ['a'] } }))",
  "app.get('/', request => request.permit.check('retrieve', { type: 'task', attributes: { level: null, secret: undefined } }))",
  "void app.permit.check({ key: 'ann', attributes: { team: 'sales' } }, 'retrieve', { type: 'task', attributes: {} })",
  "void app.permit.check('ann', 'open', { type: 'folder', attributes: { anything: [1] } })",
  "void app.permit.check('ann', 'open', 'folder', { context: { hour: 9, place: 7, whatever: { there: 'is' } } })",
  "void app.permit.filter('ann', 'retrieve', [{ id, level: 3 }], item => ({ type: 'task', key: item.id, attributes: { level: item.level } }))",
  "void app.permit.bulkCheck('ann', [{ action: 'open', resource: { type: 'folder', attributes: { any: 1 } } }, { action: 'create', resource: { type: 'task', attributes: { level: 1 } } }])",
  "app.get('/', { config: { permit: { action: 'create', resource: request => ({ type: 'task', attributes: { level: 1 } }), context: () => ({ hour: 9 }) } } }, handler)",
  "api.syncUser({ key: 'ann', attributes: { team: 'sales' } })",
  "api.createTenant({ key: 'acme', attributes: { plan: 'gold' } })",
  "api.createResourceInstance({ resource: 'task', key: '1', attributes: { secret: false } })",
  "api.createResourceInstance({ resource: 'folder', key: '1', attributes: { any: 'thing' } })"
]

const WRONG_ATTRIBUTES = [
  "app.get('/', request => request.permit.check('retrieve', { type: 'task', attributes: { secrt: true } }))",
  "app.get('/', request => request.permit.check('retrieve', { type: 'task', attributes: { secret: 'yes' } }))",
  "app.get('/', request => request.permit.assert('retrieve', { type: 'task', attributes: { level: '3' } }))",
  "void app.permit.check({ key: 'ann', attributes: { taem: 'sales' } }, 'retrieve', 'task')",
  "void app.permit.check({ key: 'ann', attributes: { team: 7 } }, 'retrieve', 'task')",
  "void app.permit.check('ann', 'open', 'folder', { context: { hour: 'nine' } })",
  "void app.permit.bulkCheck('ann', [{ action: 'create', resource: { type: 'task', attributes: { lvl: 1 } } }])",
  "void app.permit.filter('ann', 'retrieve', [id], key => ({ type: 'task', key, attributes: { level: 'high' } }))",
  "app.get('/', { config: { permit: { action: 'create', resource: { type: 'task', attributes: { level: 'high' } } } } }, handler)",
  "app.get('/', { config: { permit: { action: 'create', resource: 'task', context: { hour: true } } } }, handler)",
  "api.syncUser({ key: 'ann', attributes: { taem: 'sales' } })",
  "api.createTenant({ key: 'acme', attributes: { plan: 1 } })",
  "api.createResourceInstance({ resource: 'task', key: '1', attributes: { secrt: false } })"
]

t.test('declared attributes and the context have their types', async t => {
  const folder = await project(t, { 'app.ts': START + [...RIGHT_ATTRIBUTES, ...WRONG_ATTRIBUTES].join('\n'), 'permit.d.ts': WITH_ATTRIBUTES })
  const found = complaints(folder, ['app.ts', 'permit.d.ts'], [...RIGHT_ATTRIBUTES, ...WRONG_ATTRIBUTES])
  RIGHT_ATTRIBUTES.forEach((statement, index) => t.equal(found[index], undefined, statement))
  WRONG_ATTRIBUTES.forEach((statement, index) => t.type(found[RIGHT_ATTRIBUTES.length + index], 'string', statement))
})

t.test('an editor completes permissions, actions, resources and roles', async t => {
  const places: [string, string[]][] = [
    ["app.get('/', { config: { permit: '|' } }, handler)", ['folder:open', 'folder:retrieve', 'task:create', 'task:retrieve']],
    ["app.get('/', request => request.permit.check('|', 'task'))", ['create', 'retrieve']],
    ["app.get('/', request => request.permit.check('retrieve', '|'))", ['folder', 'task']],
    ["api.assignRole('ann', '|')", ['admin', 'viewer']],
    ["api.assignResourceRole('ann', '|', 'folder:1')", ['keeper']]
  ]
  const folder = await project(t, { 'permit.d.ts': DECLARATION })
  const file = join(folder, 'app.ts')
  let text = ''
  let version = 0
  const service = ts.createLanguageService({
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getCompilationSettings: () => OPTIONS,
    getScriptFileNames: () => [file, join(folder, 'permit.d.ts')],
    getScriptVersion: name => name === file ? String(version) : '0',
    getScriptSnapshot: name => {
      const content = name === file ? text : ts.sys.readFile(name)
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content)
    },
    getCurrentDirectory: () => folder
  })
  for (const [statement, expected] of places) {
    const code = START + statement
    const position = code.indexOf('|')
    text = code.replace('|', '')
    version++
    const entries = service.getCompletionsAtPosition(file, position, {})?.entries.map(({ name }) => name) ?? []
    t.ok(expected.every(word => entries.includes(word)), `${statement}: ${entries.slice(0, 12).join(', ')}`)
  }
})
