// What each way of starting loads: a list in the repository, so that it does not grow unnoticed. To change it on purpose: MODULES=1.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { stringify } from 'yaml'
import { built } from '../support/built.js'
import { modulesLoaded } from '../support/modules.js'

const run = promisify(execFile)

const APP = fileURLToPath(new URL('./app.mjs', import.meta.url))
const LIST = new URL('./modules.json', import.meta.url)
const MAIN = built('cli/main.js')

const policy = { resources: { task: { actions: { read: {} } } }, roles: { reader: { permissions: ['task:read'] } }, users: { ada: {} }, role_assignments: [{ user: 'ada', role: 'reader' }] }
const folder = t.testdir({ 'permit.json': JSON.stringify(policy), 'permit.yaml': `# In YAML\n${stringify(policy)}` })
const remote = { pdp: 'http://127.0.0.1:1', token: 'none' }

const QUESTION = ['check', '--user', 'ada', '--action', 'read', '--resource', 'task']

const WAYS: Record<string, readonly [string, ...string[]]> = {
  'Fastify, a policy as an object': [APP, 'fastify', JSON.stringify({ policy })],
  'Fastify, a policy in YAML': [APP, 'fastify', JSON.stringify({ policy: `${folder}/permit.yaml` })],
  'Fastify, a policy in JSON': [APP, 'fastify', JSON.stringify({ policy: `${folder}/permit.json` })],
  'Fastify, a PDP': [APP, 'fastify', JSON.stringify(remote)],
  'Fastify, an AuthZEN PDP': [APP, 'fastify', JSON.stringify({ ...remote, protocol: 'authzen' })],
  'Express, a policy as an object': [APP, 'express', JSON.stringify({ policy })],
  'Express, a PDP': [APP, 'express', JSON.stringify(remote)],
  'fastify-permit --version': [MAIN, '--version'],
  'fastify-permit check, a policy in YAML': [MAIN, ...QUESTION, '--policy', `${folder}/permit.yaml`],
  'fastify-permit check, a policy in JSON': [MAIN, ...QUESTION, '--policy', `${folder}/permit.json`]
}

t.test('each way of starting loads exactly what is in test/start/modules.json', async t => {
  const bare = await modulesLoaded(APP, ['fastify'])
  const found: Record<string, unknown> = {}
  for (const [way, [file, ...args]] of Object.entries(WAYS)) {
    const { packages, own } = await modulesLoaded(file, args)
    // What Fastify loads by itself is not ours to count.
    const beside = Object.entries(packages).filter(([name]) => way.startsWith('Fastify') ? !(name in bare.packages) : true)
    found[way] = { own, ...Object.fromEntries(beside.sort(([a], [b]) => a < b ? -1 : 1)) }
  }
  if (process.env.MODULES === '1') await writeFile(LIST, `${JSON.stringify(found, null, 2)}\n`)
  t.same(found, JSON.parse(await readFile(LIST, 'utf8')))
})

t.test('an app loads only what it uses: no engine with a PDP, no sockets with a policy, and TypeBox with neither', async t => {
  const [policy, pdp] = await Promise.all(['Fastify, a policy as an object', 'Fastify, a PDP'].map(async way => {
    const [file, ...args] = WAYS[way] as readonly [string, ...string[]]
    return modulesLoaded(file, args)
  }))
  for (const name of ['typebox', 'undici', 'yaml', 'lru-cache']) t.notOk(name in (policy?.packages ?? {}), `${name} with a policy`)
  for (const name of ['typebox', 'yaml']) t.notOk(name in (pdp?.packages ?? {}), `${name} with a PDP`)
  t.notOk(pdp?.own.some(name => /engine|environment|policy/.test(name)), 'the engine with a PDP')
  t.notOk(pdp?.own.includes('authzen.js'), "AuthZEN with Permit's PDP")
})

t.test('nothing is compiled from strings: Express and the commands run where the process forbids it', async t => {
  // Fastify's own router compiles from strings.
  for (const [way, args] of Object.entries(WAYS).filter(([way]) => !way.startsWith('Fastify'))) {
    await t.resolves(run(process.execPath, ['--disallow-code-generation-from-strings', ...args]), way)
  }
  await t.rejects(run(process.execPath, ['--disallow-code-generation-from-strings', '-e', "new Function('return 1')"]), 'the flag works')
})
