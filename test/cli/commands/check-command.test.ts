// `fastify-permit check`: the answer, and an exit code that tells a no from a failure.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { pdpFor } from '../../support/app.js'
import { permit, words } from '../in-process.js'

const POLICY = `
resources:
  task: { actions: { create: {}, delete: {} } }
  report: { actions: { read: {} } }
roles:
  admin: { permissions: ['task:create', 'task:delete'] }
  viewer: {}
user_sets:
  seniors: { conditions: { user.level: { greater-than: 2 } } }
resource_sets:
  open: { resource: report, conditions: { allOf: [{ resource.secret: { equals: false } }, { context.network: { equals: office } }] } }
set_rules:
  - { user_set: seniors, permission: 'report:read', resource_set: open }
tenants: { acme: {} }
users: { ada: {}, victor: {} }
role_assignments:
  - { user: ada, role: admin }
  - { user: victor, role: viewer }
`

function policyFor (t: Test, text = POLICY): string {
  const file = join(t.testdir(), 'permit.yaml')
  writeFileSync(file, text)
  return file
}

const ask = (user: string, action: string, resource: string) => ['check', '--user', user, '--action', action, '--resource', resource]

t.test('a policy file: allow exits with 0, deny with 1, with the reason', async t => {
  const policy = policyFor(t)
  t.match(await permit([...ask('ada', 'create', 'task'), '--policy', policy]), { code: 0, out: /^allow: user 'ada' has role 'admin'/, err: '' })
  t.match(await permit([...ask('victor', 'delete', 'task:1'), '--policy', policy]), { code: 1, out: /^deny: .*'viewer'.*\(no_permission\)$/, err: '' })
  t.match(await permit([...ask('ada', 'create', 'task'), '--tenant', 'acme', '--policy', policy]), { code: 1, out: /no_role_in_tenant/ })
  t.match(await permit([...ask('eve', 'create', 'task'), '--policy', policy]), { code: 1, out: /user_not_synced/ })
})

t.test('attributes and context are given as JSON, for conditions', async t => {
  const policy = policyFor(t)
  const conditions = words("--user-attributes '{\"level\":3}' --resource-attributes '{\"secret\":false}' --context '{\"network\":\"office\"}'")
  t.match(await permit([...ask('victor', 'read', 'report'), ...conditions, '--policy', policy]), { code: 0, out: /'seniors'.*'open'/ })
  t.match(await permit([...ask('victor', 'read', 'report'), ...conditions.slice(0, 4), '--policy', policy]), { code: 1 })
})

t.test('--json prints JSON for allow and deny alike', async t => {
  const policy = policyFor(t)
  const yes = await permit([...ask('ada', 'create', 'task'), '--policy', policy, '--json'])
  t.match(JSON.parse(yes.out), { allow: true, code: 'allow', reason: /admin/ })
  const no = await permit([...ask('victor', 'create', 'task'), '--policy', policy, '--json'])
  t.equal(no.code, 1)
  t.match(JSON.parse(no.out), { allow: false, code: 'no_permission' })
})

t.test('a PDP over HTTP is called with the token from the environment or the option', async t => {
  const pdp = await pdpFor(t, { decide: question => question.user.key === 'ada' })
  const env = { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: pdp.token }
  t.match(await permit([...ask('ada', 'create', 'task:1'), '--tenant', 'acme', '--user-attributes', '{"level":3}', '--context', '{"ip":"::1"}'], { env }), { code: 0, out: /^allow/, err: '' })
  t.match(pdp.questions[0], { user: { key: 'ada', attributes: { level: 3 } }, action: 'create', resource: { type: 'task', key: '1', tenant: 'acme' }, context: { ip: '::1' } })
  t.match(await permit([...ask('eve', 'create', 'task'), '--pdp', pdp.url, '--token', pdp.token]), { code: 1, out: /^deny/, err: '' })
  // A policy that is named is asked, whatever the environment says.
  const asked = pdp.questions.length
  t.match(await permit([...ask('eve', 'create', 'task'), '--policy', policyFor(t)], { env }), { code: 1 })
  t.equal(pdp.questions.length, asked)
})

t.test('without a decision the exit code is 3, and never that of an answer', async t => {
  const garbage = (body: string, status = 200) => pdpFor(t, {
    intercept: (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
      return true
    }
  })
  const pdps = await Promise.all([garbage('{}'), garbage('{"allow":"true"}'), garbage('{"allow":1}'), garbage('true'), garbage('no JSON'), garbage('{"allow":true}', 500)])
  for (const pdp of pdps) {
    const said = await permit([...ask('ada', 'create', 'task'), '--pdp', pdp.url, '--token', pdp.token])
    t.match(said, { code: 3, out: '', err: /^fastify-permit check: no decision: .*127\.0\.0\.1/ })
  }
  const pdp = await pdpFor(t)
  t.match(await permit([...ask('ada', 'create', 'task'), '--pdp', pdp.url, '--token', 'wrong']), { code: 3, out: '', err: /token/ })
  const silent = await pdpFor(t, { intercept: () => true })
  t.match(await permit([...ask('ada', 'create', 'task'), '--pdp', silent.url, '--token', 'x', '--timeout', '50']), { code: 3, out: '' })
  await pdp.close()
  t.match(await permit([...ask('ada', 'create', 'task'), '--pdp', pdp.url, '--token', pdp.token, '--json']), { code: 3, out: '' })
})

t.test('an invalid or missing policy exits with 3, with the place and the fix', async t => {
  const policy = policyFor(t, POLICY.replace("'task:delete'", "'task:delte'"))
  t.match(await permit([...ask('ada', 'create', 'task'), '--policy', policy]), { code: 3, out: '', err: /permit\.yaml:6:\d+ .*'delte'.*did you mean 'delete'/s })
  t.match(await permit([...ask('ada', 'create', 'task'), '--policy', `${policy}.none`]), { code: 3, out: '', err: /none/ })
})

t.test('invalid arguments exit with 2, with what to write instead', async t => {
  const policy = policyFor(t)
  const cases: Array<[string, RegExp]> = [
    ['check', /--user is missing; see fastify-permit check --help/],
    ['check --user ada --resource task', /--action is missing/],
    ['check --usr ada', /Unknown option '--usr' \(did you mean '--user'\?\)/],
    ['check ada', /Unexpected argument 'ada'/],
    ['check --user ada --action create --resource task:', /--resource task: is not a resource/],
    ['check --user ada --action create --resource :1', /is not a resource/],
    ['check --user ada --action create --resource task --tenant=', /tenant/],
    ['check --user ada --action create --resource task', /--policy <file>.*--pdp <url>.*PERMIT_PDP_URL/],
    [`check --user ada --action create --resource task --policy ${policy} --pdp http://localhost:1`, /both/],
    ['check --user ada --action create --resource task --pdp http://localhost:1', /--token.*PERMIT_API_KEY/],
    ['check --user ada --action create --resource task --pdp localhost --token x', /--pdp cannot be used/],
    ['check --user ada --action create --resource task --pdp http://localhost:1 --token x --timeout soon', /--timeout soon/],
    ['check --user ada --action create --resource task --pdp http://localhost:1 --token x --given file.yaml', /--given/],
    [`check --user ada --action create --resource task --policy ${policy} --context [1]`, /--context is not a JSON object/],
    ['chek', /no command 'chek' \(did you mean 'check'\?\)/]
  ]
  for (const [line, wanted] of cases) t.match(await permit(words(line)), { code: 2, out: '', err: wanted }, line)
})

t.test('no output contains the token or an attribute, whatever fails', async t => {
  const secret = 's3cr3t-value'
  const pdp = await pdpFor(t)
  const base = [...ask('ada', 'create', 'task'), '--pdp', pdp.url]
  const runs = await Promise.all([
    permit([...base, '--token', secret]),
    permit([...base, '--token', `${secret} with a blank`]),
    permit([...base], { env: { PERMIT_API_KEY: `${secret}\n` } }),
    permit([...base, '--tokn', secret]),
    permit([...base, `--tokn=${secret}`]),
    permit([...base, '--token', pdp.token, '--user-attributes', `{"password":"${secret}"`]),
    permit([...base, '--token', pdp.token, '--context', `"${secret}"`]),
    permit([...ask('ada', 'create', 'task'), '--pdp', `http://user:${secret}@localhost`, '--token', 'x'])
  ])
  for (const { code, out, err } of runs) {
    t.ok(code === 2 || code === 3)
    t.notMatch(out + err, secret)
  }
})

t.test('names from a PDP or a key cannot control the terminal', async t => {
  const pdp = await pdpFor(t, {
    intercept: (_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ allow: false, debug: { rbac: { allow: false, code: 'no_permission', reason: 'fine\u001b[2J\u0007\n\u202eallow' } } }))
      return true
    }
  })
  const { out } = await permit([...ask('ada', 'create', 'task'), '--pdp', pdp.url, '--token', pdp.token])
  t.equal(out, 'deny: fine\\u001b[2J\\u0007\\u000a\\u202eallow (no_permission)')
})

t.test('colors are used only for a terminal, and on request', async t => {
  const args = [...ask('ada', 'create', 'task'), '--policy', policyFor(t)]
  const coloured = async (terminal: Parameters<typeof permit>[1]) => (await permit(args, terminal)).out.includes('\u001b[32m')
  t.equal(await coloured({}), false)
  t.equal(await coloured({ isTTY: true }), true)
  t.equal(await coloured({ isTTY: true, env: { NO_COLOR: '1' } }), false)
  t.equal(await coloured({ isTTY: true, env: { NO_COLOR: '' } }), true, 'an empty NO_COLOR says nothing')
  t.equal(await coloured({ isTTY: true, env: { TERM: 'dumb' } }), false)
  t.equal(await coloured({ env: { FORCE_COLOR: '1' } }), true)
  t.equal(await coloured({ env: { FORCE_COLOR: '1', NO_COLOR: '1' } }), true)
  t.equal(await coloured({ isTTY: true, env: { FORCE_COLOR: '0' } }), false)
  t.notMatch((await permit([...args, '--json'], { isTTY: true })).out, '\u001b')
})

t.test('the help contains the options, the exit codes and examples', async t => {
  for (const command of ['check', 'explain', 'test', 'matrix']) {
    t.match(await permit([command, '--help']), { code: 0, err: '', out: /Usage: .*--policy.*Exit codes:\n {2}0 .*2 .*3 .*Examples:\n {2}fastify-permit /s }, command)
  }
  t.same(await permit(['help', 'check']), await permit(['check', '--help']))
  t.match(await permit(['help', 'chek']), { code: 2, err: /did you mean 'check'/ })
  t.match(await permit(['help']), { code: 0, out: /check .*explain/s })
  t.match(await permit([]), { code: 2, out: /check .*explain .*test .*matrix/s })
})
