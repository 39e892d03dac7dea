// `fastify-permit matrix`: tables that say what decisions say, fit the terminal, and let nobody's key become markup.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import fc from 'fast-check'
import { parse } from 'yaml'
import { matrixHtml } from '../../../src/cli/matrix/matrix-html.js'
import { matrixText } from '../../../src/cli/matrix/matrix-text.js'
import { matrixOf } from '../../../src/cli/matrix/permission-matrix.js'
import { widthOf } from '../../../src/cli/terminal/columns.js'
import { Engine } from '../../../src/engine/engine.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { policy as anyPolicy, query as anyQuery } from '../../engine/arbitraries.js'
import { wrongWith } from '../../support/hostile.js'
import { permit, terminalFor } from '../in-process.js'
import { assertCounted } from '../../support/counted.js'

const POLICY = `
resources:
  task: { actions: { create: {}, retrieve: {}, delete: {} } }
  folder: { actions: { open: {} }, roles: { editor: { permissions: [open] } } }
  document:
    actions: { read: {}, edit: {} }
    relations: { parent: folder }
    roles:
      editor:
        permissions: [edit]
        granted_to: { users_with_role: [{ role: editor, on_resource: folder, linked_by_relation: parent }] }
roles:
  admin: { permissions: ['task:create', 'task:delete'], extends: [viewer] }
  viewer: { permissions: ['task:retrieve'] }
user_sets: { seniors: { conditions: { user.level: { greater-than: 2 } } } }
resource_sets: { open: { resource: document, conditions: { resource.secret: { equals: false } } } }
set_rules:
  - { user_set: seniors, permission: 'document:read', resource_set: open }
tenants: { acme: { name: Acme Inc } }
users: { ada: {}, victor: {}, sue: { attributes: { level: 3 } }, noel: {} }
role_assignments:
  - { user: ada, role: admin }
  - { user: victor, role: viewer, tenant: acme }
  - { user: victor, role: editor, resource_instance: 'folder:plans' }
relationship_tuples: [{ subject: 'folder:plans', relation: parent, object: 'document:spec' }]
`

function policyFor (t: Test, text = POLICY): string {
  const file = join(t.testdir(), 'permit.yaml')
  writeFileSync(file, text)
  return file
}

t.test('tables of users by permissions in each tenant and on resources, and of roles by permissions', async t => {
  const { code, out, err } = await permit(['matrix', '--policy', policyFor(t)])
  t.match({ code, err }, { code: 0, err: /^note: user set 'seniors' also holds for users that were never synced/ })
  const [standard = '', acme = '', roles = ''] = out.split(/^Tenant acme|^Roles$/m)
  t.match(standard, /^Tenant default\n/)
  t.match(standard, /task +create +retrieve +delete\n +ada +✓ +✓ +✓\n +victor +· +· +·\n/)
  t.match(standard, /document +read +edit\n +ada +· +·\n +victor +· +~\n +sue +~ +·\n/, 'what depends on a role on one of them, or on a condition')
  t.match(standard, /document:spec +read +edit\n +victor +· +✓\n/, 'a derived role on an instance')
  t.match(standard, /No permissions here: noel/)
  t.match(acme, /^ \(Acme Inc\)\n/)
  t.match(acme, /task +create +retrieve +delete\n +victor +· +✓ +·\n/)
  t.match(roles, /task +create +retrieve +delete\n +admin +✓ +✓ +✓\n +viewer +· +✓ +·\n/, 'inherited permissions, too')
  t.match(roles, /seniors may document:read on open/)
  t.match(roles, /✓ always.*~ depends/)
})

t.test('one tenant, and as JSON with the reasons of each cell', async t => {
  const policy = policyFor(t)
  const { out } = await permit(['matrix', '--policy', policy, '--tenant', 'acme', '--json'])
  const { tenants } = JSON.parse(out)
  t.match(tenants, [{ tenant: 'acme', types: [{ type: 'task', actions: ['create', 'retrieve', 'delete'], rows: [{ name: 'victor', cells: [{ may: 'never' }, { may: 'always', because: ["role 'viewer'"] }, { may: 'never' }] }] }] }])
  t.equal(tenants.length, 1)
  t.match(await permit(['matrix', '--policy', policy, '--tenant', 'acne']), { code: 2, err: /'acne' is not in the policy; did you mean 'acme'/ })
  t.match(await permit(['matrix', '--policy', policy, '--json', '--html', 'x']), { code: 2, err: /--html and --json/ })
  t.match(await permit(['matrix']), { code: 2, err: /--policy is missing/ })
  t.match(await permit(['matrix', '--policy', policy, '--user', 'ada']), { code: 2, err: /--user needs --pdp/ })
  t.match(await permit(['matrix', '--policy', policy, '--html', join(policy, 'no-folder.html')]), { code: 3, err: /no-folder/ })
})

t.test('a PDP is asked about the users that are named', async t => {
  const pdp = createLocalPdp({ policy: parse(POLICY) as Policy, token: 'secret' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const matrix = (...args: string[]) => permit(['matrix', '--pdp', url, '--token', 'secret', ...args])
  const { code, out, err } = await matrix('--user', 'ada', '--user', 'victor', '--user', 'noel')
  t.equal(code, 0)
  t.match(out, /^ada\n {2}every resource in tenant default: task:create, task:delete, task:retrieve\n\nvictor\n/)
  t.match(out, 'every resource in tenant acme: task:retrieve')
  t.match(out, 'folder:plans in tenant default: folder:open')
  t.match(out, /noel\n {2}no permissions by roles/)
  t.match(err, /by roles only/)
  t.same(JSON.parse((await matrix('--user', 'victor', '--tenant', 'acme', '--json')).out), [{ user: 'victor', tenant: 'acme', permissions: ['task:retrieve'] }])

  t.match(await matrix(), { code: 2, err: /--pdp needs --user/ })
  t.match(await matrix('--user', 'ada', '--html', 'x.html'), { code: 2, err: /--html needs --policy/ })
  t.match(await matrix('--user', 'ada', '--policy', 'x'), { code: 2, err: /--policy and --pdp/ })
  t.match(await permit(['matrix', '--pdp', url, '--token', 'wrong', '--user', 'ada']), { code: 3 })
})

t.test('a policy without users shows its roles, and how to add users', async t => {
  const policy = policyFor(t, 'resources: { task: { actions: { create: {} } } }\nroles: { admin: { permissions: ["task:create"] } }\n')
  t.match(await permit(['matrix', '--policy', policy]), { code: 0, out: /admin +✓/, err: /--given/ })
  const given = `${policy}.given.yaml`
  writeFileSync(given, 'given: { users: { zoe: }, role_assignments: [{ user: zoe, role: admin }] }\ntests: [zoe may create task]\n')
  t.match(await permit(['matrix', '--policy', policy, '--given', given]), { code: 0, out: /zoe +✓/, err: '' })
})

t.test('no line is wider than the terminal, whatever the number of actions and the length of keys', async () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '👩‍🚀', '-', 'x\u0301', '\u001b', '\n'), minLength: 1, maxLength: 50 }).map(key => `u${key}`)
  fc.assert(fc.property(fc.array(key, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 60, max: 120 }), (users, actions, columns) => {
    const policy: Policy = {
      resources: { task: { actions: Object.fromEntries(Array.from({ length: actions }, (_, index) => [`action-number-${index}`, {}])) } },
      roles: { admin: { permissions: ['task:action-number-0'] } },
      users: Object.fromEntries(users.map(user => [user, {}])),
      role_assignments: [...new Set(users)].map(user => ({ user, role: 'admin' }))
    }
    const { terminal, said } = terminalFor()
    terminal.out(matrixText(matrixOf(policy, new Engine(policy)), columns))
    const lines = said().out.split('\n')
    // The line of names is wrapped between them only.
    const wide = lines.filter(line => widthOf(line) > columns)
    if (wide.length > 0) throw new Error(JSON.stringify(wide))
    if (wrongWith(said().out) !== undefined) throw new Error('a control character')
    const shown = new Set(lines.join(' ').match(/action-number-\d+/g))
    return shown.size === actions
  }), { numRuns: 100 })
})

t.test('colors are used only for a terminal', async t => {
  const policy = policyFor(t)
  t.match((await permit(['matrix', '--policy', policy], { isTTY: true })).out, '\u001b[32m✓')
  t.notMatch((await permit(['matrix', '--policy', policy])).out, '\u001b')
  t.notMatch((await permit(['matrix', '--policy', policy, '--json'], { isTTY: true })).out, '\u001b')
})

t.test('the page is one self-contained file with accessible tables', async t => {
  const policy = policyFor(t)
  const html = `${policy}.html`
  t.match(await permit(['matrix', '--policy', policy, '--html', html]), { code: 0, out: `Written to ${html}` })
  const page = readFileSync(html, 'utf8')
  t.match(page, '<!doctype html>\n<html lang="en">')
  t.match(page, '<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;')
  t.notMatch(page, /<script|<link|<img|@import|url\(|https?:/)
  t.match(page, /<caption>Every task<\/caption>\n<thead><tr><td>User<\/td><th scope="col">create<\/th>/)
  t.match(page, /<tr><th scope="row">ada<\/th><td class="always" title="yes: role &#39;admin&#39;"><span class="sign" aria-hidden="true">✓<\/span><span class="words">yes: role &#39;admin&#39;<\/span><\/td>/)
  t.match(page, /<td class="depends" title="it depends: &#39;seniors&#39; on &#39;open&#39;">/)
  t.match(page, /prefers-color-scheme: dark/)
  t.match(page, /position: sticky/)
  t.match(page, /aria-label="Legend"/)
  for (const tag of ['table', 'thead', 'tbody', 'tr', 'th', 'td', 'section', 'div', 'span', 'ul', 'li', 'main', 'header', 'nav']) {
    t.equal(page.match(new RegExp(`<${tag}[ >]`, 'g'))?.length, page.match(new RegExp(`</${tag}>`, 'g'))?.length, tag)
  }
})

t.test('no key, name or value becomes markup', async t => {
  const HOSTILE = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", '</td></table></style><h1>', '&lt;b&gt;', '`', '\u202egnp.exe', '\u0000<', '<!--', ']]>', 'javascript:alert(1)']
  const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', '`', '/', 'a', ' ', '=', '\n', '\u2028', ';'), minLength: 1, maxLength: 20 }))
  const page = (user: string, tenant: string, name: string, instance: string, file: string): string => {
    const policy: Policy = {
      resources: { task: { actions: { create: {} }, roles: { owner: { permissions: ['create'] } } } },
      roles: { admin: { permissions: ['task:create'] } },
      tenants: { [tenant]: { name } },
      users: { [user]: {}, nobody: {} },
      role_assignments: [{ user, role: 'admin', tenant }, { user, role: 'owner', tenant, resource_instance: `task:${instance}` }]
    }
    return matrixHtml({ policy: file, matrix: matrixOf(policy, new Engine(policy)) })
  }
  // Markup that is there is ours: as much of it as with harmless keys.
  const marks = (text: string) => JSON.stringify(['<', '>', '"', "'", '`'].map(mark => text.split(mark).length)) + (text.match(/<[a-z!/]+/gi) ?? []).join('')
  const harmless = marks(page('u', 't', 'n', 'i', 'f'))
  fc.assert(fc.property(hostile, hostile, hostile, hostile, hostile, (user, tenant, name, instance, file) => {
    const made = page(`u${user}`, `t${tenant}`, name, instance, file)
    if (marks(made) !== harmless) throw new Error(made)
  }), { numRuns: 300 })
  t.match(page('<b>', 't', 'n', 'i', 'f'), '<th scope="row">&#60;b&#62;</th>')
})

t.test('random policies: each always and never agrees with every decision, whatever the context and the resource are', async () => {
  fc.assert(fc.property(anyPolicy, fc.array(anyQuery, { minLength: 4, maxLength: 8 }), (policy, circumstances) => {
    const engine = new Engine(policy)
    const matrix = matrixOf(policy, engine)
    for (const { tenant, types, instances } of matrix.tenants) {
      const tables = [...types.map(table => ({ ...table, key: undefined })), ...instances.map(table => ({ ...table, key: table.instance.slice(table.type.length + 1) }))]
      for (const { type, key, actions, rows } of tables) {
        for (const { name, cells } of rows) {
          cells.forEach(({ may }, index) => {
            const about = (resource: object, context?: Record<string, unknown>) => ({ user: { key: name }, action: actions[index] ?? '', resource: { type, tenant, ...(key === undefined ? {} : { key }), ...resource }, ...(context === undefined ? {} : { context }) })
            // A row of a type is about each of its resources, a row of an instance about that one, as it is stored.
            const questions = circumstances.map(({ resource, context }) =>
              about(key === undefined ? { ...(resource.key === undefined ? {} : { key: resource.key }), ...(resource.attributes === undefined ? {} : { attributes: resource.attributes }) } : {}, context))
            for (const question of [about({}), ...questions]) {
              const { allow } = engine.decide(question)
              if ((may === 'always' && !allow) || (may === 'never' && allow)) throw new Error(`${JSON.stringify(question)}: ${may}, but ${allow}`)
            }
          })
        }
      }
    }
    matrixHtml({ policy: 'p', matrix })
  }), { numRuns: 60 })
})

t.test('what depends on the context is allowed in one context and denied in another, and nothing else is said to depend', async t => {
  const names = ['a', 'b', 'c']
  const CONTEXTS = names.reduce<Array<Record<string, boolean>>>((all, name) => all.flatMap(context => [context, { ...context, [name]: true }, { ...context, [name]: false }]), [{}])
  const ofUser = fc.tuple(fc.constantFrom('dept', 'level'), fc.constantFrom('equals', 'not-equals'), fc.constantFrom('it', 'hr', 3)).map(([name, operator, value]) => ({ [`user.${name}`]: { [operator]: value } }))
  // Each attribute of the context once: a condition may not rule itself out, as `a` and `not a` would.
  const ofContext = (name: string) => fc.tuple(fc.constantFrom('equals', 'not-equals'), fc.boolean()).map(([operator, value]) => ({ [`context.${name}`]: { [operator]: value } }))
  const tree = (leaves: Array<fc.Arbitrary<Record<string, unknown>>>): fc.Arbitrary<Record<string, unknown>> => leaves.length === 1
    ? leaves[0] as fc.Arbitrary<Record<string, unknown>>
    : fc.tuple(fc.constantFrom('allOf', 'anyOf', 'not', 'and', 'or'), fc.integer({ min: 1, max: leaves.length - 1 })).chain(([word, at]) =>
      fc.tuple(tree(leaves.slice(0, at)), tree(leaves.slice(at))).map(parts => ({ [word]: parts })))
  const conditions = fc.shuffledSubarray(names, { minLength: 1 }).chain(chosen => fc.tuple(...chosen.map(ofContext)).chain(leaves =>
    fc.array(ofUser, { minLength: 1, maxLength: 3 }).chain(more => fc.shuffledSubarray([...leaves, ...more], { minLength: leaves.length + more.length }).chain(all => tree(all.map(leaf => fc.constant(leaf)))))))
  const seen = { always: 0, depends: 0, never: 0 }
  await assertCounted(fc.property(conditions, fc.constantFrom('it', 'hr', undefined), (written, dept) => {
    const policy: Policy = {
      resources: { task: { actions: { read: {} } } },
      user_sets: { set: { conditions: written } },
      set_rules: [{ user_set: 'set', permission: 'task:read', resource_set: 'task' }],
      users: { ann: { attributes: { level: 3, ...(dept === undefined ? {} : { dept }) } } }
    }
    const engine = new Engine(policy)
    const answers = new Set(CONTEXTS.map(context => engine.decide({ user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'default' }, context }).allow))
    const expected = answers.size === 2 ? 'depends' : answers.has(true) ? 'always' : 'never'
    const found = matrixOf(policy, engine).tenants[0]?.types[0]?.rows[0]?.cells[0]?.may ?? 'never'
    seen[expected]++
    if (found !== expected) throw new Error(`${found}, but ${expected}`)
  }), { numRuns: 400 }, () => {
    for (const [may, count] of Object.entries(seen)) t.ok(count > 10, `${may}: ${count}`)
  })
})
