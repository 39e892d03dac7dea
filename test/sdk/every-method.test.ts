// Every method of Permit's own SDK against the local PDP: it works, or the answer is a 501 that says what is missing. The list is in docs/permit-sdk.md.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createLocalPdp, type LocalPdpOptions } from '../../src/server/index.js'
import { root, tableIn } from '../support/documents.js'
import { sdkFor, TOKEN } from './support.js'

const policy: LocalPdpOptions['policy'] = {
  resources: {
    doc: {
      actions: { read: {}, write: {} },
      attributes: { secret: { type: 'bool' } },
      roles: { owner: { permissions: ['read'] }, reader: {} },
      relations: { parent: 'folder' }
    },
    folder: { actions: { open: {} }, roles: { keeper: { permissions: ['open'] } } }
  },
  roles: { admin: { permissions: ['doc:read'] }, viewer: {} },
  user_sets: { adults: { conditions: { 'user.age': { 'greater-than': 17 } } } },
  resource_sets: { open: { resource: 'doc', conditions: { 'resource.secret': { equals: false } } } },
  tenants: { acme: {} },
  users: { ada: { email: 'ada@acme.com' } },
  role_assignments: [{ user: 'ada', role: 'admin', tenant: 'acme' }],
  resource_instances: [{ resource: 'doc', key: '1', tenant: 'acme' }, { resource: 'folder', key: '1', tenant: 'acme' }]
}

const named = (key: string) => ({ key, name: key })
const rule = { user_set: 'adults', permission: 'doc:write', resource_set: 'open' }
const tuple = { subject: 'folder:1', relation: 'parent', object: 'doc:1', tenant: 'acme' }
const role = { user: 'ada', role: 'viewer', tenant: 'acme' }
const derivation = { role: 'keeper', on_resource: 'folder', linked_by_relation: 'parent' }

const inCode = (text: string): string => `\`${text}\``

/** A result of an earlier step. */
type Made = Readonly<Record<string, { readonly id: string }>>
type Step = readonly [method: string, args?: readonly unknown[] | ((made: Made) => readonly unknown[])]

/** Reading what was created, in each of the SDK's three ways. */
const reading = (...before: string[]): Step[] => {
  const key = before.at(-1) as string
  const outer = before.slice(0, -1)
  return [['get', [...outer, key]], ['getByKey', [...outer, key]], ['getById', ({ create }) => [...outer, create?.id]]]
}

/** The calls on each part of the SDK, in an order in which each finds what it needs. */
const CALLS: Readonly<Record<string, readonly Step[]>> = {
  permit: [
    ['check', ['ada', 'read', { type: 'doc', tenant: 'acme' }]],
    ['bulkCheck', [[{ user: 'ada', action: 'read', resource: 'doc' }]]],
    ['getUserPermissions', ['ada']]
  ],
  'permit.elements': [['loginAs', [{ userId: 'ada', tenantId: 'acme' }]]],
  'permit.api.users': [
    ['create', [{ key: 'bob' }]], ...reading('bob'), ['list'], ['update', ['bob', { email: 'bob@acme.com' }]], ['sync', [{ key: 'bob' }]],
    ['assignRole', [role]], ['getAssignedRoles', [{ user: 'ada' }]], ['unassignRole', [role]], ['delete', ['bob']],
    ['bulkUserCreate', [[{ key: 'cy' }]]], ['bulkUserReplace', [[{ key: 'cy', email: 'cy@acme.com' }]]], ['bulkUserDelete', [['cy']]]
  ],
  'permit.api.tenants': [
    ['create', [named('t1')]], ...reading('t1'), ['list'], ['update', ['t1', { description: 'x' }]], ['listTenantUsers', [{ tenantKey: 'acme' }]],
    ['deleteTenantUser', ['acme', 'ada']], ['delete', ['t1']]
  ],
  'permit.api.roles': [
    ['create', [named('r1')]], ...reading('r1'), ['list'], ['update', ['r1', { description: 'x' }]],
    ['assignPermissions', ['r1', ['doc:read']]], ['removePermissions', ['r1', ['doc:read']]], ['delete', ['r1']]
  ],
  'permit.api.resources': [
    ['create', [{ ...named('page'), actions: { read: {} } }]], ...reading('page'), ['list'], ['replace', ['page', { name: 'Page', actions: { read: {} } }]],
    ['update', ['page', { description: 'x' }]], ['delete', ['page']]
  ],
  'permit.api.resourceActions': [
    ['create', ['doc', named('a1')]], ...reading('doc', 'a1'), ['list', [{ resourceKey: 'doc' }]], ['update', ['doc', 'a1', { description: 'x' }]],
    ['delete', ['doc', 'a1']]
  ],
  'permit.api.resourceAttributes': [
    ['create', ['__user', { key: 'age', type: 'number' }]], ...reading('__user', 'age'), ['list', [{ resourceKey: '__user' }]],
    ['update', ['__user', 'age', { description: 'In years.' }]], ['delete', ['__user', 'age']]
  ],
  'permit.api.resourceRoles': [
    ['create', ['doc', named('r1')]], ...reading('doc', 'r1'), ['list', [{ resourceKey: 'doc' }]], ['update', ['doc', 'r1', { description: 'x' }]],
    ['assignPermissions', ['doc', 'r1', ['read']]], ['removePermissions', ['doc', 'r1', ['read']]], ['createRoleDerivation', ['doc', 'r1', derivation]],
    ['updateRoleDerivationConditions', ['doc', 'r1', { no_direct_roles_on_object: true }]], ['deleteRoleDerivation', ['doc', 'r1', derivation]],
    ['delete', ['doc', 'r1']]
  ],
  'permit.api.resourceRelations': [
    ['create', ['folder', { ...named('in'), subject_resource: 'doc' }]], ...reading('folder', 'in'), ['list', [{ resourceKey: 'folder' }]],
    ['delete', ['folder', 'in']]
  ],
  'permit.api.actionGroups': [
    ['create', ['doc', { ...named('all'), actions: ['read', 'write'] }]], ...reading('doc', 'all'), ['list', [{ resourceKey: 'doc' }]],
    ['update', ['doc', 'all', { actions: ['read'] }]], ['delete', ['doc', 'all']]
  ],
  'permit.api.resourceInstances': [
    ['create', [{ key: '2', resource: 'doc', tenant: 'acme' }]], ...reading('doc:2'), ['list'], ['update', ['doc:2', { attributes: { secret: true } }]],
    ['delete', ['doc:2']]
  ],
  'permit.api.roleAssignments': [
    ['assign', [role]], ['list', [{ user: 'ada' }]], ['unassign', [role]], ['bulkAssign', [[role]]], ['bulkUnassign', [[role]]]
  ],
  'permit.api.relationshipTuples': [
    ['create', [tuple]], ['list', [{}]], ['delete', [tuple]], ['bulkRelationshipTuples', [[tuple]]], ['bulkUnRelationshipTuples', [[tuple]]]
  ],
  'permit.api.conditionSets': [
    ['create', [{ ...named('old'), type: 'userset', conditions: { 'user.age': { 'greater-than': 60 } } }]], ...reading('old'), ['list'],
    ['update', ['old', { description: 'x' }]], ['delete', ['old']]
  ],
  'permit.api.conditionSetRules': [['create', [rule]], ['list', [{}]], ['delete', [rule]]],
  'permit.api.projects': [
    ['list'], ['get', ['default']], ['getByKey', ['default']], ['getById', ['10ca1000-0000-4000-8000-00000000000b']], ['create', [named('p1')]],
    ['update', ['default', { name: 'x' }]], ['delete', ['default']]
  ],
  'permit.api.environments': [
    ['list', [{ projectKey: 'default' }]], ['get', ['default', 'default']], ['getByKey', ['default', 'default']],
    ['getById', ['10ca1000-0000-4000-8000-00000000000b', '10ca1000-0000-4000-8000-00000000000c']], ['getStats', ['default', 'default']],
    ['getApiKey', ['default', 'default']], ['create', ['default', named('e1')]], ['update', ['default', 'default', { name: 'x' }]],
    ['copy', ['default', 'default', { target_env: { new: named('e2') } }]], ['delete', ['default', 'default']]
  ],
  'permit.api': [
    ['createUser', [{ key: 'dee' }]], ['listUsers'], ['getUser', ['dee']], ['updateUser', ['dee', { email: 'dee@acme.com' }]], ['syncUser', [{ key: 'dee' }]],
    ['deleteUser', ['dee']], ['createTenant', [named('t2')]], ['listTenants'], ['getTenant', ['t2']], ['updateTenant', ['t2', { description: 'x' }]],
    ['deleteTenant', ['t2']], ['createRole', [named('r2')]], ['listRoles'], ['getRole', ['r2']], ['updateRole', ['r2', { description: 'x' }]],
    ['assignRole', [{ ...role, role: 'r2' }]], ['getAssignedRoles', ['ada']], ['unassignRole', [{ ...role, role: 'r2' }]], ['deleteRole', ['r2']],
    ['createResource', [{ ...named('leaf'), actions: { read: {} } }]], ['updateResource', ['leaf', { description: 'x' }]], ['deleteResource', ['leaf']],
    ['createConditionSet', [{ ...named('old'), type: 'userset', conditions: { 'user.age': { 'greater-than': 60 } } }]],
    ['listConditionSets', ['userset', 1, 10]], ['updateConditionSet', ['old', { description: 'x' }]],
    ['assignConditionSetRule', [{ ...rule, user_set: 'old' }]], ['listConditionSetsRules', [1, 10]],
    ['unassignConditionSetRule', [{ ...rule, user_set: 'old' }]], ['deleteConditionSet', ['old']]
  ]
}

/** The SDK sends the options of this request as its body, and no token with it: no PDP can answer that, Permit's neither. */
const BROKEN = 'checkAllTenants'

/** Methods of the SDK that send nothing by themselves, or only what others do. */
const HELPERS = [
  'constructor', 'setContextFromApiKey', 'ensureAccessLevel', 'ensureContext', 'handleApiError', 'getMethods', 'clone', 'waitForSync'
]

function partOf (permit: unknown, name: string): Record<string, (...args: unknown[]) => Promise<unknown>> {
  return name.split('.').slice(1).reduce<unknown>((part, step) => (part as Record<string, unknown>)[step], permit) as never
}

function methodsOf (part: object): string[] {
  const names = new Set<string>()
  for (let of: object = part; of !== Object.prototype; of = Object.getPrototypeOf(of) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(of)) as Array<[string, PropertyDescriptor]>) {
      if (typeof value === 'function' && !HELPERS.includes(name)) names.add(name)
    }
  }
  return [...names]
}

/** What became of a call: `works`, or the message of a 501. Anything else fails the test. */
async function outcome (call: () => Promise<unknown>): Promise<{ result: unknown, message: string | undefined }> {
  try {
    return { result: await call(), message: undefined }
  } catch (error) {
    // The SDK looks at the key's level by itself, and sends nothing.
    const [, level] = /requires an API Key with access level: (\w+)_LEVEL_API_KEY/.exec(String(error)) ?? []
    if (level !== undefined) return { result: undefined, message: `the SDK itself refuses: it wants a key of the ${level.toLowerCase()}` }
    const { response, originalError } = error as { response?: { status: number, data: { message: string } }, originalError?: { response?: never } }
    const answer = response ?? originalError?.response as typeof response
    if (answer?.status !== 501) throw new Error(`${answer?.status} ${JSON.stringify(answer?.data)} ${String(error)}`)
    return { result: undefined, message: answer.data.message }
  }
}

t.test('each method of the SDK works, or says what the local PDP does not support', async t => {
  const app = createLocalPdp({ token: TOKEN, policy })
  t.teardown(() => app.close())
  const permit = sdkFor(await app.listen({ port: 0 }))

  const api = permit.api as unknown as Record<string, unknown>
  const parts = Object.keys(api).filter(name => !name.startsWith('_') && !['config', 'logger', 'openapiClientConfig', 'scopeApi'].includes(name))
  t.same(Object.keys(CALLS).sort(), ['permit', 'permit.elements', 'permit.api', ...parts.map(name => `permit.api.${name}`)].sort(), 'each part')

  await t.rejects(permit.checkAllTenants('ada', 'read', 'doc', undefined, undefined), { response: { status: 401 } } as never, 'as with the container')

  const rows: string[][] = []
  for (const [name, steps] of Object.entries(CALLS)) {
    const part = partOf(permit, name)
    t.same([...new Set(steps.map(([method]) => method))].sort(), methodsOf(part).filter(method => method !== BROKEN).sort(), `each method of ${name}`)
    const made: Record<string, { id: string }> = {}
    const works: string[] = []
    const missing = new Map<string, string[]>()
    for (const [method, args = []] of steps) {
      const given = typeof args === 'function' ? args(made) : args
      const { result, message } = await outcome(() => (part[method] as (...args: unknown[]) => Promise<unknown>).call(part, ...given))
        .catch((error: Error) => { throw new Error(`${name}.${method}(${JSON.stringify(given)}): ${error.message}`) })
      if (message === undefined) {
        works.push(inCode(method))
        made[method] = result as { id: string }
      } else {
        t.match(message, /^not supported by the local PDP: .|the SDK itself refuses/, `${name}.${method}`)
        missing.set(message, [...missing.get(message) ?? [], inCode(method)])
      }
    }
    rows.push([inCode(name), works.join(', '), [...missing].map(([message, methods]) => `${methods.join(', ')}: ${message}`).join('; ')])
  }

  const page = join(root, 'docs', 'permit-sdk.md')
  const text = await readFile(page, 'utf8')
  const table = ['| Part | Works | 501, or never sent |', '| --- | --- | --- |', ...rows.map(row => `| ${row.join(' | ')} |`)].join('\n')
  if (process.env['TAP_SNAPSHOT'] === '1') await writeFile(page, text.replace(/\| Part \| Works \| 501, or never sent \|\n(?:\|.*\n)+/, `${table}\n`))
  else t.same(tableIn(text, 'Part'), rows, 'docs/permit-sdk.md has the list; `npx tap --snapshot` on this file writes it')
})

/** Paths of Permit's API (v2) that a local PDP does not serve, by its OpenAPI document of 2025. */
const OTHERS = [
  'POST /v2/projects', 'PATCH /v2/projects/default', 'DELETE /v2/projects/default', 'POST /v2/projects/default/envs', 'PATCH /v2/projects/default/envs/default',
  'DELETE /v2/projects/default/envs/default', 'POST /v2/projects/default/envs/default/copy', 'POST /v2/projects/default/envs/default/copy/async',
  'POST /v2/projects/default/envs/default/test_jwks', 'GET /v2/projects/default/repos', 'GET /v2/projects/default/repos/active', 'GET /v2/projects/default/default/opal_scope',
  'GET /v2/api-key', 'POST /v2/api-key', 'GET /v2/api-key/1', 'GET /v2/api-key/default/default', 'POST /v2/api-key/1/rotate-secret', 'GET /v2/orgs', 'GET /v2/orgs/1',
  'GET /v2/orgs/active/org', 'POST /v2/orgs/1/invites', 'GET /v2/members', 'GET /v2/members/me', 'POST /v2/auth/elements_login_as', 'POST /v2/auth/login',
  'GET /v2/elements/default/default/config', 'GET /v2/elements/default/default/config/1/data/users', 'GET /v2/pdps/default/default/configs', 'GET /v2/pdps/default/default/audit_logs',
  'GET /v2/history', 'GET /v2/history/1/request', 'GET /v2/activity', 'GET /v2/activity/types', 'GET /v2/deprecated/history', 'GET /v2/policy_guards/scopes', 'POST /v2/audit-log-replay',
  'GET /v2/internal/opal_data/1/default/default',
  'GET /v2/facts/default/default/email_configurations', 'GET /v2/facts/default/default/email_templates/', 'POST /v2/facts/default/default/user_invites',
  'GET /v2/facts/default/default/access_requests/1/user/1/tenant/1', 'PUT /v2/facts/default/default/bulk/tenants',
  'PUT /v2/schema/default/default/bulk/roles', 'GET /v2/schema/default/default/condition_sets/adults/ancestors', 'GET /v2/schema/default/default/condition_sets/adults/descendants',
  'GET /v2/schema/default/default/resources/doc/roles/owner/ancestors', 'GET /v2/schema/default/default/roles/admin/descendants', 'GET /v2/schema/default/default/groups',
  'PUT /v2/schema/default/default/groups/1/users/1'
]

t.test('unsupported parts of Permit\'s API are a 501 that names them; unknown paths are 404; the token is checked first', async t => {
  const app = createLocalPdp({ token: TOKEN, policy })
  t.teardown(() => app.close())
  const headers = { authorization: `Bearer ${TOKEN}` }
  for (const line of OTHERS) {
    const [method, url] = line.split(' ') as ['GET', string]
    const answer = await app.inject({ method, url, headers, ...(method === 'GET' ? {} : { payload: {} }) })
    t.equal(answer.statusCode, 501, line)
    t.match(answer.json(), { error_code: 'NOT_SUPPORTED', message: /^not supported by the local PDP: ./ }, line)
    t.equal((await app.inject({ method, url })).statusCode, 401, line)
  }
  for (const url of ['/v2/nothing', '/v2/facts/default/default/nothing', '/v2/projects/other', '/v2/projects/default/envs/other', '/v2/facts/default/default/proxy_configs/1']) {
    t.equal((await app.inject({ url, headers })).statusCode, 404, url)
  }
  t.same((await app.inject({ url: '/v2/facts/default/default/proxy_configs', headers })).json(), [])
  t.match((await app.inject({ url: '/v2/pdps/me/config', headers })).json(), { environment_id: String })
  t.equal((await app.inject({ method: 'POST', url: '/v2/schema/default/default/condition_sets', headers, payload: { ...named('x'), parent_id: 'adults' } })).statusCode, 501)
})
