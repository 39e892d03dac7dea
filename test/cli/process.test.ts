// The commands as a shell runs them: exit codes that scripts go by, and a reader who leaves early.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { pdpFor } from '../support/app.js'
import { built } from '../support/built.js'
import { wrongWith } from '../support/hostile.js'
import { run, start } from './support.js'

const example = fileURLToPath(new URL('../../example-app/', import.meta.url))
const POLICY = ['--policy', join(example, 'permit.yaml'), '--given', join(example, 'permit.test.yaml')]
const question = (user: string) => ['--user', user, '--action', 'create', '--resource', 'task']

t.test('allow exits with 0, deny with 1, invalid arguments with 2, no decision with 3', async t => {
  const pdp = await pdpFor(t, { decide: () => true })
  const asked = [
    run(t, 'check', ...question('ada@example.com'), ...POLICY),
    run(t, 'check', ...question('victor@example.com'), ...POLICY),
    run(t, 'check', '--polcy', 'x'),
    run(t, 'check', ...question('ada@example.com'), '--policy', join(example, 'none.yaml')),
    start(t, ['check', ...question('ada@example.com')], { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: pdp.token }).ended(),
    start(t, ['check', ...question('ada@example.com')], { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: 'wrong' }).ended(),
    run(t, 'explain', ...question('victor@example.com'), ...POLICY)
  ]
  t.same((await Promise.all(asked)).map(({ code }) => code), [0, 1, 2, 3, 0, 3, 1])
})

t.test('--version prints the installed version', async t => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  t.match(await run(t, '--version'), { code: 0, out: version, err: '' })
})

t.test('the tests of the example app pass, and cover its policy', async t => {
  const { code, out } = await run(t, 'test', join(example, 'permit.test.yaml'), '--policy', join(example, 'permit.yaml'), '--coverage-min', '100')
  t.match({ code, out }, { code: 0, out: /expectations passed/ })
})

t.test('a reader that closes the pipe early is no failure, and the exit code is still the answer', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-pipe-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'permit.yaml')
  const users = Array.from({ length: 5_000 }, (_, index) => `user-with-a-long-name-${index}`)
  await writeFile(file, JSON.stringify({
    resources: { task: { actions: { create: {} } } },
    roles: { admin: { permissions: ['task:create'] } },
    users: Object.fromEntries(users.map(user => [user, {}])),
    role_assignments: users.map(user => ({ user, role: 'admin' }))
  }))
  const child = spawn(process.execPath, [built('cli/main.js'), 'matrix', '--policy', file, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  let err = ''
  child.stderr.setEncoding('utf8').on('data', chunk => { err += chunk })
  // As `head` does: a bit is read, and the pipe is closed while much is still to come.
  child.stdout.once('data', () => child.stdout.destroy())
  const [code] = await once(child, 'exit')
  t.same({ code, err }, { code: 0, err: '' })
})

t.test('an app that Node cannot load is named, with a hint', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-routes-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const app = join(folder, 'app.tsx')
  await writeFile(app, '')
  t.match(await run(t, 'routes', app), { code: 3, err: `Node cannot load ${app}; for TypeScript, set a loader: NODE_OPTIONS=--import=tsx` })
  t.match(await run(t, 'routes', `${app}.none`), { code: 3, err: `fastify-permit routes: ${app}.none does not exist` })
})

t.test('the output of every command, and the log of a local PDP, is printable, with and without colors', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-hostile-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const HOSTILE = 'a\u001b[2J\u0007\r\n::error::forged\u009b31m\u202e##vso[a]b'
  const policy = (name: string) => JSON.stringify({ resources: { task: { actions: { create: {} } } }, users: { [HOSTILE]: { [name]: {} } } })
  const good = join(folder, 'good.yaml')
  const bad = join(folder, 'bad.yaml')
  const collectionKey = join(folder, 'key.yaml')
  const watched = join(folder, 'watched.yaml')
  await writeFile(good, policy('attributes'))
  await writeFile(bad, policy(HOSTILE))
  await writeFile(collectionKey, `? [${JSON.stringify(HOSTILE)}]\n: 1\n`)
  await writeFile(watched, policy('attributes'))
  const app = join(folder, 'app.mjs')
  const waits = 'export const app = () => new Promise(() => { setInterval(() => {}, 1000) })'
  await writeFile(app, `setTimeout(() => { throw new Error(${JSON.stringify(HOSTILE)}) })\n${waits}`)

  const ask = ['check', '--user', HOSTILE, '--action', 'create', '--resource', 'task', '--policy']
  const runs = [[HOSTILE], [...ask, good], [...ask, collectionKey], ['matrix', '--policy', good], ['pdp', '--policy', bad], ['routes', app]]
  const ended = await Promise.all(runs.map(async (args, index) => {
    const colors = index % 2 === 0
    return { args, colors, ...await start(t, args, { FORCE_COLOR: colors ? '1' : '0' }).ended() }
  }))
  for (const { args, colors, out, err } of ended) {
    t.equal(wrongWith(out, colors) ?? wrongWith(err, colors), undefined, args.length === 1 ? 'an unknown command' : String(args[0]))
  }
  t.match(ended.at(-1), { code: 3, err: /^fastify-permit routes: a\\u001b/ }, 'what an app throws later is no answer either')

  const pdp = start(t, ['pdp', '--policy', watched, '--port', '0'])
  await pdp.line(/listens on/)
  const warned = new Promise<void>(resolve => pdp.process.stderr?.on('data', chunk => {
    if (String(chunk).includes('cannot be used')) resolve()
  }))
  await writeFile(watched, policy(HOSTILE))
  await warned
  pdp.process.kill('SIGTERM')
  const { err } = await pdp.ended()
  t.equal(wrongWith(err), undefined)
  t.match(err, '\\\\u001b')
})
