// `fastify-permit pdp` as a real process: it starts, answers, refuses what is dangerous, and ends cleanly.
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { sdkFor, TOKEN } from '../../sdk/support.js'
import { run, start } from '../support.js'

const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-cli-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const policy = join(folder, 'permit.yaml')
await writeFile(policy, `
resources: { task: { actions: { create: {} } } }
roles: { admin: { permissions: ['task:create'] } }
users: { ada: {} }
role_assignments: [{ user: ada, role: admin }]
`)

const LISTENS = /listens on (http:\/\/\S+)/

t.test("it starts, prints its URL, answers Permit's SDK, and exits with 0 on a signal", async t => {
  await Promise.all((['SIGTERM', 'SIGINT'] as const).map(async signal => {
    const pdp = start(t, ['pdp', '--policy', policy, '--port', '0', '--token', TOKEN])
    const [, url = ''] = await pdp.line(LISTENS)
    t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    const permit = sdkFor(url)
    t.equal(await permit.check('ada', 'create', 'task'), true)
    t.equal(await permit.check('eve', 'create', 'task'), false)
    pdp.process.kill(signal)
    t.match(await pdp.ended(), { code: 0, err: '' }, signal)
  }))
})

t.test('the token can come from the environment, where other processes do not see it', async t => {
  await Promise.all(['PERMIT_API_KEY', 'PDP_API_KEY'].map(async name => {
    const pdp = start(t, ['pdp', '--policy', policy, '--port', '0'], { [name]: TOKEN })
    const [, url = ''] = await pdp.line(LISTENS)
    t.equal((await fetch(`${url}/facts/users`)).status, 401)
    t.equal((await fetch(`${url}/facts/users`, { headers: { authorization: `Bearer ${TOKEN}` } })).status, 200)
    pdp.process.kill('SIGTERM')
    t.equal((await pdp.ended()).code, 0)
  }))
})

t.test('data in a folder survives a restart', async t => {
  const args = ['pdp', '--data', join(folder, 'data'), '--port', '0', '--token', TOKEN]
  const first = start(t, args)
  const { api } = sdkFor((await first.line(LISTENS))[1] ?? '')
  await api.resources.create({ key: 'task', name: 'Task', actions: { create: {} } })
  await api.roles.create({ key: 'admin', name: 'Admin', permissions: ['task:create'] })
  await api.users.sync({ key: 'bob', role_assignments: [{ role: 'admin', tenant: 'default' }] })
  first.process.kill('SIGTERM')
  t.equal((await first.ended()).code, 0)
  t.ok(existsSync(join(folder, 'data')))

  const second = start(t, args)
  t.equal(await sdkFor((await second.line(LISTENS))[1] ?? '').check('bob', 'create', 'task'), true)
  second.process.kill('SIGTERM')
  t.equal((await second.ended()).code, 0)
})

t.test("OPA's route is served on its own port, if requested", async t => {
  const pdp = start(t, ['pdp', '--policy', policy, '--port', '0', '--opa-port', '0', '--token', TOKEN])
  const [, opa = ''] = await pdp.line(/OPA.* (http:\/\/\S+)/)
  const answer = await fetch(`${opa}/v1/data/permit/root`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ input: { user: { key: 'ada' }, action: 'create', resource: { type: 'task', tenant: 'default' } } })
  })
  t.match(await answer.json(), { result: { allow: true } })
  pdp.process.kill('SIGTERM')
  t.equal((await pdp.ended()).code, 0)
})

t.test('without a token it listens only on the loopback, with a warning', async t => {
  const open = start(t, ['pdp', '--policy', policy, '--port', '0'])
  const [, url = ''] = await open.line(LISTENS)
  t.equal(await sdkFor(url).check('ada', 'create', 'task'), true)
  open.process.kill('SIGTERM')
  t.match(await open.ended(), { code: 0, err: /no token is set/ })

  const { code, out, err } = await run(t, 'pdp', '--policy', policy, '--port', '0', '--host', '0.0.0.0')
  t.equal(code, 1)
  t.notMatch(out, LISTENS)
  t.match(err, /0\.0\.0\.0.*token/)
})

t.test('with --inspect it serves the inspector, to browsers on this machine that have the token', async t => {
  const pdp = start(t, ['pdp', '--policy', policy, '--port', '0', '--inspect'], { PERMIT_API_KEY: TOKEN })
  const [, page = ''] = await pdp.line(/The inspector is at (http:\S+)/)
  t.equal((await fetch(page)).status, 401)
  t.match(await (await fetch(page, { headers: { authorization: `Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}` } })).text(), /<title>fastify-permit inspector/)
  pdp.process.kill('SIGTERM')
  t.equal((await pdp.ended()).code, 0)

  const { code, out, err } = await run(t, 'pdp', '--policy', policy, '--port', '0', '--host', '0.0.0.0', '--token', TOKEN, '--inspect')
  t.equal(code, 1)
  t.notMatch(out, LISTENS)
  t.match(err, /with the inspector.*0\.0\.0\.0/)
})

t.test('an invalid or missing policy is reported with its place, and exits with 1', async t => {
  const wrong = join(folder, 'wrong.yaml')
  await writeFile(wrong, "resources: { task: { actions: { create: {} } } }\nroles:\n  admin:\n    permissions: ['task:craete']\n")
  const { code, err } = await run(t, 'pdp', '--policy', wrong, '--port', '0')
  t.equal(code, 1)
  t.match(err, /wrong\.yaml:4:\d+.*craete.*create/s)
  t.notMatch(err, /\n\s+at /, 'and no stack')
  t.match(await run(t, 'pdp', '--policy', join(folder, 'none.yaml'), '--port', '0'), { code: 1, err: /none\.yaml/ })
})

t.test('a port in use is reported, and exits with 1', async t => {
  const pdp = start(t, ['pdp', '--policy', policy, '--port', '0'])
  const [, url = ''] = await pdp.line(LISTENS)
  t.match(await run(t, 'pdp', '--policy', policy, '--port', new URL(url).port), { code: 1, err: /EADDRINUSE/ })
})

t.test('invalid arguments are reported, and exit with 2', async t => {
  await Promise.all(([
    [['pdp', '--port', 'seven'], { code: 2, err: /--port seven.*0 to 65535/ }],
    [['pdp', '--port', '70000'], { code: 2, err: /65535/ }],
    [['pdp', '--opa-port', '-1'], { code: 2, err: /--opa-port/ }],
    [['pdp', '--polcy', policy], { code: 2, err: /--polcy/ }],
    [['pdp', 'permit.yaml'], { code: 2, err: /permit\.yaml/ }],
    [['pdp', '--policy'], { code: 2, err: /--policy/ }],
    [['pdb'], { code: 2, err: /no command 'pdb'/ }],
    [[], { code: 2, out: /Usage: fastify-permit <command>/ }]
  ] as const).map(async ([args, wanted]) => t.match(await run(t, ...args), wanted, args.join(' '))))
})

t.test('a token that cannot be sent in a header is refused, and not printed', async t => {
  const { code, err } = await run(t, 'pdp', '--port', '0', '--token', 'not a token')
  t.equal(code, 1)
  t.match(err, /token/)
  t.notMatch(err, /not a token/)
})

t.test('--help prints to stdout, and exits with 0', async t => {
  const [all, one] = await Promise.all([run(t, '--help'), run(t, 'pdp', '--help')])
  t.match(all, { code: 0, out: /pdp +run a local PDP/, err: '' })
  t.match(one, { code: 0, out: /--policy <file>.*--data <folder>.*--token <token>.*--port <port>/s, err: '' })
})
