// Whatever a command reads, what it prints is printable: hostile text in every place of a policy file, a test file, the arguments, an
// app, and the answers of a PDP. The kind: text that was written by others reaches a terminal or the log of a CI job.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { pdpFor } from '../support/app.js'
import { hostile, wrongWith } from '../support/hostile.js'
import { EXTENSION } from '../support/program.js'
import { permit, type Said } from './in-process.js'

const RUNS = { numRuns: 50 }

let runs = 0

/** Looks at both streams, every other time with colors. */
async function mustBePrintable (args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  const colors = ++runs % 2 === 0
  const said = await permit(args, { env, isTTY: colors })
  for (const text of [said.out, said.err]) {
    const wrong = wrongWith(text, colors)
    if (wrong !== undefined) throw new Error(`${JSON.stringify(args)} printed ${wrong}`)
  }
  return said
}

interface Names {
  readonly type: string
  readonly action: string
  readonly role: string
  readonly tenant: string
  readonly user: string
  readonly key: string
  readonly attribute: string
  readonly value: string
}

/** The words of a schema may not be hostile: where they are, the policy is refused. What facts are called may be anything. */
const word = (harmless: string) => fc.oneof({ weight: 30, arbitrary: fc.constant(harmless) }, hostile)
const fact = hostile.filter(text => /^.[^]/.test(text))

const names: fc.Arbitrary<Names> = fc.record({
  type: word('task'),
  action: word('create'),
  role: word('admin'),
  tenant: fact,
  user: fact,
  key: fact,
  attribute: fact,
  value: fact
})

/** A policy that is valid with most names. */
function policyOf ({ type, action, role, tenant, user, key, attribute, value }: Names) {
  return {
    resources: {
      [type]: { actions: { [action]: {}, read: {} }, relations: { parent: 'folder' }, roles: { owner: { permissions: [action] } } },
      folder: { actions: { read: {} } }
    },
    roles: { [role]: { permissions: [`${type}:${action}`] }, viewer: { permissions: ['folder:read'] } },
    user_sets: { seniors: { conditions: { [`user.${attribute}`]: { equals: value } } } },
    resource_sets: { open: { resource: type, conditions: { [`resource.${attribute}`]: { equals: value } } } },
    set_rules: [{ user_set: 'seniors', permission: `${type}:${action}`, resource_set: 'open' }],
    tenants: { [tenant]: { name: value } },
    users: { [user]: { attributes: { [attribute]: value } }, nobody: {} },
    role_assignments: [{ user, role, tenant }, { user, role: 'owner', tenant, resource_instance: `${type}:${key}` }],
    resource_instances: [{ resource: type, key, tenant, attributes: { [attribute]: value } }]
  }
}

/** The document with one of its strings or keys replaced. */
function withMistake (document: unknown, at: number, mistake: string): unknown {
  let count = 0
  const visit = (value: unknown): unknown => {
    if (typeof value === 'string') return count++ === at ? mistake : value
    if (Array.isArray(value)) return value.map(visit)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [count++ === at ? mistake : key, visit(item)]))
  }
  return visit(document)
}

const testFileOf = ({ type, action, tenant, user, key, attribute, value }: Names) => ({
  tenant,
  tests: [
    `${user} may ${action} ${type}:${key} in ${tenant}`,
    {
      name: value,
      user: { key: user, attributes: { [attribute]: value } },
      resource: { type, key, attributes: { [attribute]: value } },
      tenant,
      may: [action],
      may_not: ['read', value]
    }
  ]
})

const QUESTION = ['--user', 'a', '--action', 'b', '--resource', 'c']

function questionOf ({ user, action, type, key, tenant, attribute, value }: Names): string[] {
  return [`--user=${user}`, `--action=${action}`, `--resource=${type}:${key}`, `--tenant=${tenant}`,
    `--user-attributes=${JSON.stringify({ [attribute]: value })}`, `--context=${JSON.stringify({ [attribute]: value })}`]
}

t.test('names in a policy file, and mistakes in it', async t => {
  const folder = t.testdir()
  const policy = join(folder, 'permit.yaml')
  const html = join(folder, 'matrix.html')
  const mistake = fc.option(fc.tuple(fc.nat(60), hostile), { nil: undefined })
  await fc.assert(fc.asyncProperty(names, mistake, async (names, mistake) => {
    const document = policyOf(names)
    writeFileSync(policy, JSON.stringify(mistake === undefined ? document : withMistake(document, ...mistake), null, 1))
    for (const args of [
      ['check', ...questionOf(names), '--policy', policy], ['check', ...questionOf(names), '--policy', policy, '--json'],
      ['explain', ...questionOf(names), '--policy', policy], ['explain', ...questionOf(names), '--policy', policy, '--json'],
      ['matrix', '--policy', policy], ['matrix', '--policy', policy, '--json'],
      ['matrix', '--policy', policy, `--tenant=${names.value}`], ['matrix', '--policy', policy, '--html', html],
      ['types', '--policy', policy]
    ]) await mustBePrintable(args)
  }), RUNS)
})

t.test('a file that is not YAML, and a file with a hostile name', async t => {
  const folder = t.testdir()
  const fileName = hostile.map(text => text.replace(/[/\0]|[\ud800-\udfff]/gu, '').slice(0, 60))
    .filter(name => name.trim() !== '' && name !== '.' && name !== '..')
  await fc.assert(fc.asyncProperty(hostile, fileName, hostile, async (text, name, tail) => {
    const file = join(folder, name)
    writeFileSync(file, `${text}\n${tail}`)
    for (const args of [
      ['check', ...QUESTION, '--policy', file], ['types', '--policy', file], ['test', file, '--policy', file],
      ['matrix', '--policy', file], ['routes', file], ['pdp', '--policy', file, '--port', '0'],
      ['restore', '--data', join(folder, 'data'), '--from', file], ['backup', '--data', file, '--to', file],
      ['matrix', '--policy', `${file}${tail}`], ['types', '--policy', `${file}.none`], ['types', '--policy', file, '--out', file, '--check']
    ]) if (args[0] !== 'routes' || !/\.[cm]?js|\.json/.test(file)) await mustBePrintable(args)
  }), RUNS)
})

t.test('a test file with sentences that pass, fail and are invalid', async t => {
  const folder = t.testdir()
  const policy = join(folder, 'permit.yaml')
  const tests = join(folder, 'permit.test.yaml')
  const junit = join(folder, 'junit.xml')
  const mistake = fc.option(fc.tuple(fc.nat(20), hostile), { nil: undefined })
  await fc.assert(fc.asyncProperty(names, mistake, hostile, async (names, mistake, sentence) => {
    writeFileSync(policy, JSON.stringify(policyOf(names)))
    const document = testFileOf(names)
    const blocks = { ...document, tests: document.tests.slice(1) }
    writeFileSync(tests, JSON.stringify(mistake === undefined ? blocks : withMistake(document, ...mistake)))
    const options = ['--policy', policy, '--explain', '--coverage']
    await mustBePrintable(['test', tests, ...options])
    await mustBePrintable(['test', tests, ...options, '--json', '--junit', junit])
    // Names as a user would write them, so that the sentence is one.
    const [user, action, type] = [names.user, names.action, names.type].map(name => name.replace(/\s/g, ''))
    writeFileSync(tests, JSON.stringify({ given: { users: { [names.user]: null } }, tests: [`${user} may ${action} ${type}`, sentence] }))
    await mustBePrintable(['test', tests, ...options])
    const given = { users: { [names.user]: { [sentence]: 1 } }, role_assignments: [{ user: names.user, role: sentence }] }
    writeFileSync(tests, JSON.stringify({ given, tests: ['a may b c'] }))
    await mustBePrintable(['test', tests, ...options])
  }), RUNS)
})

t.test('invalid arguments, which are echoed', async () => {
  const word = fc.oneof(hostile, hostile.map(text => `--${text}`), hostile.map(text => `--user=${text}`))
  const known = fc.constantFrom('check', 'explain', 'test', 'matrix', 'types', 'routes', 'pdp', 'backup', 'restore', 'help')
  const command = fc.oneof(known, hostile)
  await fc.assert(fc.asyncProperty(command, fc.array(word, { maxLength: 4 }), async (command, words) => {
    // A local PDP would run until it is stopped.
    await mustBePrintable([command, ...words, ...command === 'pdp' ? ['--port', 'none'] : []])
  }), { numRuns: 100 })
  await fc.assert(fc.asyncProperty(hostile, async text => {
    for (const args of [
      ['check', ...QUESTION, `--tenant=${text}`], ['check', ...QUESTION, `--policy=${text}`],
      ['check', ...QUESTION, '--policy=a', `--pdp=${text}`], ['check', ...QUESTION, `--pdp=${text}`, '--token=a'],
      ['check', ...QUESTION, '--pdp=http://localhost:1', `--token=${text}`],
      ['check', ...QUESTION, '--pdp=http://localhost:1', '--token=a', `--timeout=${text}`],
      ['check', ...QUESTION, `--context=${text}`], ['explain', `--user=${text}`, '--action=a', `--resource=${text}:`],
      ['test', text, `--policy=${text}`, `--coverage-min=${text}`],
      ['matrix', `--policy=${text}`, `--given=${text}`], ['types', `--from=${text}`],
      ['types', `--from=http://localhost:1/${encodeURIComponent('a')}`, '--token', text], ['routes', text, `--policy=${text}`],
      ['pdp', `--port=${text}`], ['pdp', '--port=0', `--report-to=${text}`], ['pdp', '--port=0', `--data=/dev/null/${text}`],
      ['pdp', '--port=0', '--token=a', `--host=${text} `]
    ]) await mustBePrintable(args)
    await mustBePrintable(['check', ...QUESTION], { PERMIT_PDP_URL: text, PERMIT_API_KEY: text })
  }), { numRuns: 20 })
})

t.test('answers of a PDP', async t => {
  let answer = { body: '{}', type: 'application/json', status: 200 }
  const pdp = await pdpFor(t, {
    intercept: (_request, response) => {
      response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body)
      return true
    }
  })
  const status = fc.constantFrom(200, 200, 200, 400, 401, 500)
  const texts = fc.tuple(hostile, hostile, hostile, hostile, hostile, hostile)
  await fc.assert(fc.asyncProperty(fc.boolean(), texts, status, fc.boolean(), async (allow, [a, b, c, d, e, f], status, json) => {
    const rbac = { allow, code: a, reason: b }
    const debug = { [a]: { allow, code: b, reason: c, [d]: { [e]: [f, { [a]: f }] } }, rbac, request: { [c]: d }, [e]: f }
    answer = {
      body: JSON.stringify({ allow, query: { [a]: b }, debug }),
      type: json ? 'application/json' : `text/${a.replace(/[^\t\x20-\x7e\x80-\xff]/g, '')}`,
      status
    }
    const question = ['--user=a', '--action=b', '--resource=c', '--pdp', pdp.url, '--token', pdp.token]
    await mustBePrintable(['check', ...question])
    await mustBePrintable(['explain', ...question])
    await mustBePrintable(['explain', ...question, '--json'])
  }), RUNS)
})

t.test('answers of an API about its schema', async t => {
  let found: Names | undefined
  const server = createServer((request, response) => {
    const { type, action, role, key, tenant } = found as Names
    const path = request.url ?? ''
    const resource = { key: type, actions: { [action]: {} }, roles: { [role]: {} }, relations: { [key]: '' } }
    const list = path.includes('/roles') ? [{ key: role }] : [resource]
    const body = path === '/v2/api-key/scope' ? { project_id: key, environment_id: tenant } : list
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await fc.assert(fc.asyncProperty(names, async names => {
    found = names
    await mustBePrintable(['types', '--from', url, '--token', 'a'])
  }), RUNS)
})

t.test('declarations of an app, and its errors', async t => {
  const folder = t.testdir()
  let count = 0
  const ways = fc.constantFrom('throw', 'reject', 'declare', 'mistake', 'value')
  await fc.assert(fc.asyncProperty(hostile, hostile, ways, async (a, b, how) => {
    const file = join(folder, `app-${count++}.mjs`)
    const [one, two] = [JSON.stringify(a), JSON.stringify(b)]
    const register = `import Fastify from ${JSON.stringify(await importable('fastify'))}
import permit from ${JSON.stringify(new URL(`../../src/index.${EXTENSION}`, import.meta.url).href)}
export const app = Fastify()
await app.register(permit, { policy: { resources: { task: { actions: { create: {} } } } }, user: () => 'a' })
`
    writeFileSync(file, {
      throw: `throw new Error(${one})`,
      reject: `export async function app () { throw Object.assign(new Error(${one}), { code: ${two} }) }`,
      value: `export function app () { throw ${one} }`,
      declare: `${register}app.get('/' + ${one}.replace(/[:(*?]/g, ''), { config: { permit: 'task:' + ${two} } }, async () => 1)`,
      mistake: `${register}app.get('/a', { config: { permit: { [${one}]: ${two} } } }, async () => 1)`
    }[how])
    await mustBePrintable(['routes', file])
    for (const form of how === 'declare' ? ['--json', '--markdown'] : []) await mustBePrintable(['routes', file, form])
  }), { numRuns: 40 })
})

async function importable (name: string): Promise<string> {
  return pathToFileURL(join((await import('node:module')).createRequire(import.meta.url).resolve(name))).href
}
