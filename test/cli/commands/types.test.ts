// `fastify-permit types`: from a policy file, or from an API, to a declaration that says the same.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { declarationOf } from '../../../src/cli/typegen/type-declaration.js'
import { namesOf, type PolicyNames } from '../../../src/cli/typegen/policy-names.js'
import { typesCommand } from '../../../src/cli/commands/types-command.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { terminalFor } from '../in-process.js'

const POLICY = {
  resources: {
    task: { actions: { retrieve: {}, create: {} }, roles: { owner: { permissions: ['retrieve'] } }, relations: { parent: 'folder' } },
    folder: { actions: { open: {} } }
  },
  roles: { viewer: { permissions: ['task:retrieve'] }, admin: { permissions: ['task:create'] } }
}

const LINES = [
  "      'folder': { actions: 'open', roles: never, relations: never }",
  "      'task': { actions: 'create' | 'retrieve', roles: 'owner', relations: 'parent' }",
  "    roles: 'admin' | 'viewer'"
]

async function folderFor (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'permit-types-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'permit.json'), JSON.stringify(POLICY))
  return folder
}

async function run (args: string[], env: Record<string, string> = {}) {
  const { terminal, said } = terminalFor({ env })
  const code = await typesCommand.run(args, terminal)
  return { code, ...said() }
}

t.test('the types of a policy file go to the terminal, sorted', async t => {
  const folder = await folderFor(t)
  const { code, out } = await run(['--policy', join(folder, 'permit.json')])
  t.equal(code, 0)
  t.same(out.split('\n').filter(line => LINES.includes(line)), LINES)
})

t.test('--check reports whether the file is up to date, and writes nothing', async t => {
  const folder = await folderFor(t)
  const file = join(folder, 'permit.d.ts')
  const args = ['--policy', join(folder, 'permit.json'), '--out', file]
  t.equal((await run([...args, '--check'])).code, 1, 'there is none yet')
  t.equal((await run(args)).code, 0)
  t.equal((await run([...args, '--check'])).code, 0)
  await writeFile(file, 'declare namespace FastifyPermit {}')
  t.equal((await run([...args, '--check'])).code, 1)
  t.equal(await readFile(file, 'utf8'), 'declare namespace FastifyPermit {}')
})

t.test('the types of a local PDP are those of its policy', async t => {
  const pdp = createLocalPdp({ policy: POLICY, token: 'a-token' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0, host: '127.0.0.1' })
  const { code, out } = await run(['--from', url], { PERMIT_API_KEY: 'a-token' })
  t.equal(code, 0)
  t.same(out.split('\n').filter(line => LINES.includes(line)), LINES)
  await t.rejects(run(['--from', url], { PERMIT_API_KEY: 'another' }), { name: 'PdpError', failure: 'token' })
})

t.test('the types of a local PDP have the attributes of users and tenants, and the context', async t => {
  const policy = {
    ...POLICY,
    user_attributes: { level: { type: 'number' as const } },
    tenant_attributes: { plan: { type: 'string' as const } },
    user_sets: { daytime: { conditions: { allOf: [{ 'context.hour': { 'greater-than': 8 } }] } } },
    resource_sets: { office: { resource: 'task', conditions: { 'context.office.floor': { equals: 3 } } } }
  }
  const pdp = createLocalPdp({ policy, token: 'a-token' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0, host: '127.0.0.1' })
  const { out } = await run(['--from', url], { PERMIT_API_KEY: 'a-token' })
  t.equal(out.trimEnd().replace(/^.*/, ''), declarationOf(namesOf(policy), '').trimEnd().replace(/^.*/, ''), 'the same as of the file')
  t.match(out, "user_attributes: { 'level'?: number | null }")
  t.match(out, "context: { 'hour'?: number | null, 'office'?: ")
})

t.test('an API without the built-in types has no attributes of users', async t => {
  const url = await api(t, url => {
    if (url.pathname === '/v2/api-key/scope') return { organization_id: 'o', project_id: 'p', environment_id: 'e' }
    if (url.pathname.endsWith('/attributes')) return undefined
    return url.pathname.endsWith('/resources') ? [{ key: 'task', actions: { read: {} } }] : []
  })
  const { out } = await run(['--from', url], { PERMIT_API_KEY: 'a-token' })
  t.match(out, "'task': { actions: 'read'")
  t.notMatch(out, 'attributes')
})

t.test('an API with many types is read page by page', async t => {
  const types = Array.from({ length: 250 }, (_, index) => ({ key: `type${index}`, actions: { read: {} }, roles: null }))
  const url = await api(t, url => {
    if (url.pathname === '/v2/api-key/scope') return { organization_id: 'o', project_id: 'p', environment_id: 'e' }
    if (url.pathname === '/v2/schema/p/e/roles') return [{ key: 'viewer' }]
    if (url.pathname !== '/v2/schema/p/e/resources') return []
    const page = Number(url.searchParams.get('page'))
    return [...types, { key: '__user', actions: {} }].slice((page - 1) * 100, page * 100)
  })
  const { out } = await run(['--from', url], { PERMIT_API_KEY: 'a-token' })
  t.equal(out.match(/^ {6}'type\d+': /gm)?.length, 250)
  t.notMatch(out, '__user')
})

t.test('an API with an unexpected answer is reported, and nothing is written', async t => {
  for (const answer of [{}, [], 'html', { project_id: 1, environment_id: 'e' }]) {
    const url = await api(t, () => answer)
    await t.rejects(run(['--from', url], { PERMIT_API_KEY: 'a-token' }), { name: 'PdpError', failure: 'answer' })
  }
})

t.test('invalid arguments are refused', async t => {
  for (const args of [[], ['--policy', 'a', '--from', 'http://b'], ['--from', 'ftp://b'], ['--from', 'http://me:secret@b'], ['--from', 'http://b'], ['--policy', 'a', '--check'], ['--nonsense']]) {
    await t.rejects(run(args), { name: 'UsageError' }, args.join(' '))
  }
})

t.test('any names are escaped correctly in the declaration', async t => {
  // Words may come over the network: none may end its literal, or begin a statement of its own.
  const word = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom("'", '\\', "\\'", '*/', '\n', '\u2028', '\ud800', "' | string; //", '`', '"'))
    .filter(word => word !== '')
  const words: fc.Arbitrary<PolicyNames> = fc.record({
    resources: fc.uniqueArray(fc.tuple(word, fc.uniqueArray(word)), { selector: ([key]) => key, maxLength: 4 })
      .map(entries => new Map(entries.map(([key, actions]) => [key, { actions, roles: [], relations: [] }]))),
    roles: fc.uniqueArray(word)
  })
  t.doesNotThrow(() => fc.assert(fc.property(words, fc.string(), (words, source) => {
    const file = ts.createSourceFile('permit.d.ts', declarationOf(words, source), ts.ScriptTarget.ES2022, true)
    const { parseDiagnostics } = file as unknown as { parseDiagnostics: unknown[] }
    if (parseDiagnostics.length > 0 || file.statements.length !== 1) return false
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteral(node)) found.push(node.text)
      node.forEachChild(visit)
    }
    visit(file)
    const expected = [...[...words.resources].flatMap(([key, { actions }]) => [key, ...actions]), ...words.roles]
    return JSON.stringify(found.sort()) === JSON.stringify(expected.sort())
  }), { numRuns: 300 }))
})

/** An API on a real socket. */
async function api (t: Test, answer: (url: URL) => unknown): Promise<string> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const found = answer(new URL(request.url ?? '', 'http://localhost'))
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(found ?? {}))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('declared attributes and the context of conditions have types, where all comparisons agree', async t => {
  const text = declarationOf(namesOf({
    resources: { task: { actions: { read: {} }, attributes: { a: { type: 'bool' }, b: { type: 'object_array' }, 'c-d': { type: 'json' } } }, bare: { actions: { read: {} }, attributes: {} } },
    user_attributes: { age: { type: 'number' } },
    user_sets: { set: { conditions: { anyOf: [{ 'context.hour': { anyOf: [{ 'less-than': 8 }, { between: [18, 24] }] } }, { 'environment.vpn': { equals: true } }, { 'context.mixed': { in: ['a', 1] } }, { 'context.geo.country': { equals: 'IT' } }] } } },
    resource_sets: { open: { resource: 'task', conditions: { 'resource.a': { equals: { ref: 'context.wanted' } } } } }
  }), 'a test')
  t.match(text, "'task': { actions: 'read', roles: never, relations: never, attributes: { 'a'?: boolean | null, 'b'?: readonly Readonly<Record<string, unknown>>[] | null, 'c-d'?: unknown } }")
  t.match(text, "'bare': { actions: 'read', roles: never, relations: never }")
  t.match(text, "user_attributes: { 'age'?: number | null }")
  t.notMatch(text, 'tenant_attributes')
  t.match(text, "context: { 'geo'?: Readonly<Record<string, unknown>> | null, 'hour'?: number | null, 'mixed'?: unknown, 'vpn'?: boolean | null, 'wanted'?: unknown }")
})
