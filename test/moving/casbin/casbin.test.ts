// `fastify-permit import casbin`: casbin and the imported policy give the same answers, and what the policy cannot say is refused by name.
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newEnforcer } from 'casbin'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { readPolicyFile } from '../../../src/environment/file/policy-file.js'
import { permit, type Said } from '../../cli/in-process.js'
import { hostile, wrongWith } from '../../support/hostile.js'
import { casbinWorld, KINDS } from './worlds.js'

const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-casbin-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const [MODEL, CSV, OUT] = ['model.conf', 'policy.csv', 'permit.yaml'].map(name => join(folder, name)) as [string, string, string]

async function importFiles (model: string, csv: string, ...more: string[]): Promise<Said> {
  await writeFile(MODEL, model)
  await writeFile(CSV, csv)
  return permit(['import', 'casbin', MODEL, CSV, ...more])
}

/** The key of each name, by what the file says is its name. */
function keysOf (blocks: Readonly<Record<string, { readonly name?: string } | null>> = {}): (name: string) => string {
  const keys = new Map(Object.entries(blocks).map(([key, block]) => [block?.name ?? key, key]))
  return name => keys.get(name) ?? 'nothing-of-the-kind'
}

/** Asks casbin and the imported policy everything. Returns how many answers there are, and how many of them are yes. */
async function compareAll (seed: number): Promise<{ readonly asked: number, readonly allowed: number }> {
  const { model, csv, roles, subjects, domains, objects, actions, request } = casbinWorld(seed)
  const fail = (what: string): never => { throw new Error(`world ${seed}: ${what}\n${model}\n${csv}`) }
  const hasOwnRules = KINDS[seed % KINDS.length]?.inRule === false && KINDS[seed % KINDS.length]?.hasDomains === true
  // As for casbin, each role is a user, too; where that cannot be said, roles are not asked for.
  const users = hasOwnRules ? [] : roles.map(name => name.trim())
  const said = await importFiles(model, csv, '--out', OUT, '--yes', ...users.flatMap(name => [`--user=${name}`]))
  if (said.code !== 0) fail(said.err)
  if (wrongWith(said.err) !== undefined) fail(`printed ${wrongWith(said.err)}`)
  const policy = await readPolicyFile(OUT)
  const engine = new Engine(policy)
  const enforcer = await newEnforcer(MODEL, CSV)
  const typeOf = keysOf(policy.resources)
  let [asked, allowed] = [0, 0]
  for (const subject of subjects.filter(name => !hasOwnRules || !roles.some(role => role.trim() === name))) {
    for (const domain of domains) {
      for (const object of objects) {
        const type = typeOf(object)
        const actionOf = keysOf(policy.resources?.[type]?.actions)
        for (const action of actions) {
          const values: Record<string, string> = {}
          for (const name of request) {
            values[name] = /^(?:sub|subject|user)$/.test(name) ? subject : /^(?:dom|tenant)$/.test(name) ? domain : /^(?:obj|resource)$/.test(name) ? object : action
          }
          const expected = enforcer.enforceSync(...request.map(name => values[name]))
          const { allow } = engine.decide({ user: { key: subject }, action: actionOf(action), resource: { type, tenant: domain === '' ? 'default' : domain } })
          if (allow !== expected) fail(`${JSON.stringify(values)} is ${expected} in casbin, and ${allow} here\n${await readFile(OUT, 'utf8')}`)
          asked++
          if (allow) allowed++
        }
      }
    }
  }
  return { asked, allowed }
}

t.test('random models and policies have the same answers in casbin and in the embedded PDP', async t => {
  let [asked, allowed] = [0, 0]
  // Fixed worlds of every kind, so that the counts are certain.
  for (let seed = 0; seed < KINDS.length * 2; seed++) {
    const counts = await compareAll(seed)
    asked += counts.asked
    allowed += counts.allowed
  }
  t.ok(asked > 3_000 && allowed > 100, JSON.stringify({ asked, allowed }))
  const run = await fc.check(fc.asyncProperty(fc.nat(), async seed => {
    const counts = await compareAll(seed)
    asked += counts.asked
    allowed += counts.allowed
  }), { numRuns: Number(process.env['RUNS'] ?? 6), endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.comment(`${asked} questions, ${allowed} allowed, 0 different`)
})

const RBAC = `[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
`

const WITH_DOMAINS = RBAC.replace('r = sub, obj', 'r = sub, dom, obj').replace('p = sub, obj', 'p = sub, dom, obj').replace('g = _, _', 'g = _, _, _')
  .replace('g(r.sub, p.sub)', 'g(r.sub, p.sub, r.dom) && r.dom == p.dom')

/** What is refused, as `file:line: name`. */
async function refusedOf (t: Test, model: string, csv: string, ...more: string[]): Promise<string[]> {
  const { code, err } = await importFiles(model, csv, '--out', join(folder, 'never.yaml'), ...more)
  await t.rejects(access(join(folder, 'never.yaml')), 'nothing is written')
  t.equal(code, 1, err)
  return Array.from(err.matchAll(/^ {2}\S*\/(\S+:\d+: [^:]*(?:::?[^ :][^:]*)*): /gm), ([, place = '']) => place)
}

t.test('parts that a policy file cannot express are refused by name, with file and line, and nothing is written', async t => {
  const matcher = (text: string) => RBAC.replace(/m = .*/, `m = ${text}`)
  const cases: ReadonlyArray<readonly [model: string, csv: string, refused: readonly string[]]> = [
    [matcher('g(r.sub, p.sub) && keyMatch2(r.obj, p.obj) && regexMatch(r.act, p.act)'), '', ['model.conf:10: keyMatch2', 'model.conf:10: regexMatch']],
    [matcher('eval(p.rule) && r.obj == p.obj && r.act == p.act'), '', ['model.conf:10: eval']],
    [matcher('g(r.sub.name, p.sub) && r.obj == p.obj && r.act == p.act'), '', ['model.conf:10: r.sub.name']],
    [matcher('g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act || r.sub == "root"'), '', ['model.conf:10: ||', 'model.conf:10: "root"']],
    [matcher('g(r.sub, p.sub) && g2(r.obj, p.obj) && r.act == p.act'), '', ['model.conf:10: g2']],
    [matcher('g(r.sub, p.sub) && r.obj == p.obj && myOwn(r.act, p.act)'), '', ['model.conf:10: myOwn']],
    [matcher('g(r.sub, p.sub) && r.obj == p.obj'), '', ['model.conf:10: action']],
    [matcher('g(r.sub, p.sub) && r.obj == p.obj && r.act == p.obj'), '', ['model.conf:10: r.act == p.obj', 'model.conf:10: action']],
    // A name that the model does not define is never equal in casbin.
    [matcher('g(r.user, p.sub) && r.obj == p.obj && r.act == p.act'), '', ['model.conf:10: g(r.user, p.sub)', 'model.conf:10: subject']],
    [matcher('r.sub == p.sub && r.obj == p.obj && r.act == p.act'), '', ['model.conf:10: g']],
    [matcher('g(r.sub, p.sub) && r.obj != p.obj && r.act == p.act'), '', ['model.conf:10: !=']],
    [RBAC.replace('some(where (p.eft == allow))', '!some(where (p.eft == deny))'), '', ['model.conf:8: !some(where (p.eft == deny))']],
    [RBAC.replace('some(where (p.eft == allow))', 'priority(p.eft) || deny'), '', ['model.conf:8: priority']],
    [RBAC.replace('p = sub', 'p = priority, sub'), '', ['model.conf:4: p.priority']],
    [RBAC.replace('g = _, _', 'g = _, _, (_, _)'), '', ['model.conf:6: g = _, _, (_, _)']],
    [RBAC.replace('[matchers]', 'e2 = x\n[matchers]'), '', ['model.conf:9: e2']],
    [RBAC.replace('[matchers]', '[constraint_definition]\nc = sod(a, b)\n[matchers]'), '', ['model.conf:9: [constraint_definition]']],
    [WITH_DOMAINS.replace(' && r.dom == p.dom', ''), '', ['model.conf:10: p.dom']],
    [RBAC.replace('p = sub, obj, act', 'p = sub, obj, act, eft'), 'p, a, b, c, allow\np, a, b, d, deny\np, a, b, e, maybe', ['policy.csv:2: deny', 'policy.csv:3: maybe']],
    [RBAC, 'p, a, b\np, a, b, c, d\ng, a\ng, a, b, c', ['policy.csv:1: p, a, b', 'policy.csv:2: p, a, b, c, d', 'policy.csv:3: g, a', 'policy.csv:4: g, a, b, c']],
    [RBAC, 'p, , b, c\np, a"b, b, c\np, f(x, b), c, d', ['policy.csv:1: p, , b, c', 'policy.csv:2: p, a"b, b, c', 'policy.csv:3: p, f(x, b), c, d']],
    [RBAC, 'p, a, b, c\ng, a, b\ng, b, c\ng, c, b', ['policy.csv:3: b']],
    [RBAC, Array.from({ length: 11 }, (_, index) => `g, n${index}, n${index + 1}`).join('\n'), ['policy.csv:1: n0']]
  ]
  for (const [model, csv, refused] of cases) t.same(await refusedOf(t, model, csv), refused, refused.join())
  // A user with a rule that holds in every domain, also in those that are in no file.
  const everywhere = WITH_DOMAINS.replace('p = sub, dom', 'p = sub').replace(' && r.dom == p.dom', '')
  t.same(await refusedOf(t, everywhere, 'p, alice, data, read\ng, alice, admin, d1'), ['policy.csv:1: alice'])
  t.same(await refusedOf(t, everywhere, 'p, admin, data, read\ng, alice, admin, d1', '--user', 'admin'), ['policy.csv:1: admin'])
})

t.test('a chain of ten roles is followed to its end, as in casbin, and layers of roles take no time', async t => {
  const chain = Array.from({ length: 10 }, (_, index) => `g, n${index}, n${index + 1}`)
  const { code } = await importFiles(RBAC, ['p, n10, data, read', ...chain].join('\n'), '--out', OUT, '--yes')
  t.equal(code, 0)
  const question = { user: { key: 'n0' }, action: 'read', resource: { type: 'data', tenant: 'default' } }
  t.equal(new Engine(await readPolicyFile(OUT)).decide(question).allow, true)
  t.equal((await newEnforcer(MODEL, CSV)).enforceSync('n0', 'data', 'read'), true)
  // A million ways from the first layer to the last.
  const layers = Array.from({ length: 6 }, (_, layer) => Array.from({ length: 100 }, (_, index) => `g, l${layer}x${index / 10 | 0}, l${layer + 1}x${index % 10}`)).flat()
  const start = performance.now()
  t.equal((await importFiles(RBAC, ['p, l6x0, data, read', ...layers].join('\n'), '--out', OUT, '--yes')).code, 0)
  t.ok(performance.now() - start < 10_000)
  t.equal(new Engine(await readPolicyFile(OUT)).decide({ ...question, user: { key: 'l0x0' } }).allow, true)
})

t.test('an existing file is replaced only with --yes, JSON is written, and the summary names what is new', async t => {
  const json = join(folder, 'permit.json')
  const csv = 'p, admin, /data, read\np, carol, /data, *\ng, alice, admin\ng, admin, viewer\nx, y'
  const first = await importFiles(RBAC, csv, '--out', json)
  t.equal(first.code, 0)
  t.match(first.err, 'Imported 1 resource type, 3 roles, 0 tenants, 2 users, 2 role assignments')
  t.match(first.err, /ask with the keys:\n {2}resource type \/data: data\n {2}action \*: action\n/)
  t.match(first.err, /if one is, give --user <name>:\n {2}admin\n/)
  t.match(first.err, /delete its user:\n {2}carol\n/)
  t.match(first.err, /casbin ignores these lines.*:\n {2}\S+policy.csv:5$/)
  const written = await readFile(json, 'utf8')
  const second = await importFiles(RBAC, 'p, a, b, c', '--out', json)
  t.same([second.code, await readFile(json, 'utf8')], [1, written])
  t.match(second.err, 'permit.json exists; give --yes to replace it')
  t.equal((await importFiles(RBAC, 'p, a, b, c', '--out', json, '--yes')).code, 0)
  t.same(Object.keys((await readPolicyFile(json)).resources ?? {}), ['b'])
  t.equal((await permit(['import', 'casbin', MODEL])).code, 2)
  t.equal((await permit(['import', 'oso', MODEL, CSV])).code, 2)
  t.match(await importFiles(RBAC, 'p, a, b, c', '--user', 'zoe'), { code: 1, err: /zoe: there is no such name/ })
  t.match(await importFiles('', 'p, a, b, c'), { code: 1 })
})

t.test('what is printed is the policy that --out writes; a policy with characters that are escaped in print is not printed', async t => {
  const counts = { printed: 0, refused: 0 }
  const check = async (name: string): Promise<void> => {
    const csv = `p, admin, data, read\ng, ${name}, admin`
    const written = await importFiles(RBAC, csv, '--out', OUT, '--yes')
    const printed = await importFiles(RBAC, csv)
    if (written.code !== 0 || printed.code !== 0) {
      counts.refused++
      if (written.code === 0 && !printed.err.includes('write it with --out <file>')) throw new Error(`${JSON.stringify(name)}: ${printed.err}`)
      return
    }
    counts.printed++
    if (printed.out.trimEnd() !== (await readFile(OUT, 'utf8')).trimEnd()) throw new Error(`${JSON.stringify(name)}: another policy is printed`)
  }
  await check('ann')
  for (const name of ['a\u00a0b', '##[x]', '::error::x', 'a\u202eb', 'a\u200db', 'e\u0301\u0301\u0301\u0301\u0301\u0301']) {
    await check(name)
    const { refused } = counts
    t.ok(refused > 0, JSON.stringify(name))
  }
  t.equal(counts.printed, 1)
  const part = fc.constantFrom('a', 'b', ' ', '#', '##[', ':', '::', '\u00a0', '\u2028', '\u00ad', '\u061c', '\u3000', '\ufeff', 'é', '日', '😀', '-', '+++ ', '~~~ ')
  await fc.assert(fc.asyncProperty(fc.string({ unit: part, minLength: 1, maxLength: 6 }), check), { numRuns: 60 })
})

t.test('hostile files are refused or become a policy that loads, and what is printed is printable', async t => {
  const run = await fc.check(fc.asyncProperty(hostile, hostile, fc.nat(8), async (first, second, at) => {
    const model = at === 0 ? RBAC.replace('sub, obj', `sub, ${first}`) : at === 1 ? RBAC.replace('m = ', `m = ${first} && `) : RBAC
    const names = ['admin', 'data', 'read', 'alice', 'admin'].map((name, index) => index === at - 2 ? `${first}${name}` : index === at - 3 ? `"${second}"` : name)
    const said = await importFiles(model, `p, ${names.slice(0, 3).join(', ')}\ng, ${names.slice(3).join(', ')}`, '--out', OUT, '--yes')
    for (const text of [said.out, said.err]) if (wrongWith(text) !== undefined) throw new Error(`printed ${wrongWith(text)}`)
    if (said.code === 0) new Engine(await readPolicyFile(OUT)).decide({ user: { key: 'alice' }, action: 'read', resource: { type: 'data', tenant: 'default' } })
    else if (said.code !== 1) throw new Error(`exit code ${said.code}`)
  }), { numRuns: 40, endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  const { code, err } = await importFiles(RBAC, 'p, admin, data, read\ng, a\u001b[31mb, admin')
  t.same([code, err.includes('\u001b')], [1, false])
})
