// The README is tested as the code is: its snippets run, its commands exist, its links lead somewhere.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import permit from '../src/index.js'
import { assignment, curl } from './example-app/curl.js'
import { startApp } from './example-app/start.js'
import { fastifyFor, pdpFor } from './support/app.js'
import { appOfSnippet, documentOf, folderWith, root, snippetsOf } from './support/documents.js'
import './support/loader.js'

const readme = await documentOf('README.md')
const snippets = snippetsOf(readme)
const policyText = snippets.find(({ language }) => language === 'yaml')?.text as string

/** A folder with the README's permit.yaml. */
const folderFor = (t: Test): Promise<string> => folderWith(t, { 'permit.yaml': policyText })

const as = (name: string) => ({ headers: { 'x-user': `${name}@example.com` } })

/** What each TypeScript snippet has to do, by its section and place in it. */
const EFFECTS: Readonly<Record<string, (t: Test, text: string) => Promise<void>>> = {
  'Five lines in an empty folder 1': async (t, text) => {
    const app = await appOfSnippet(t, text)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('ada') })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('victor') })).statusCode, 403)

    // "To move to the container, replace the line"
    const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'victor@example.com' })
    const line = text.split('\n').find(line => line.includes('policy:')) as string
    const moved = await appOfSnippet(t, text, { [line]: `  pdp: '${pdp.url}',\n  token: '${pdp.token}',` })
    t.equal((await moved.inject({ method: 'POST', url: '/tasks', ...as('ada') })).statusCode, 403)
    t.equal((await moved.inject({ method: 'POST', url: '/tasks', ...as('victor') })).statusCode, 200)
  },

  "With Permit's PDP 1": async (t, text) => {
    const pdp = await pdpFor(t, { decide: ({ user, action }) => user.key === 'ada' || action === 'retrieve' })
    process.env.JWT_SECRET = 'a secret for this test'
    process.env.PERMIT_API_KEY = pdp.token
    t.teardown(() => { delete process.env.JWT_SECRET; delete process.env.PERMIT_API_KEY })
    const app = await appOfSnippet(t, text, { 'http://localhost:7766': pdp.url, 'port: 3000': 'port: 0', 'logger: true': 'logger: false' })
    const { port } = app.server.address() as AddressInfo
    const ask = async (user: string | undefined, method: string, path: string) => {
      const headers: Record<string, string> = user === undefined ? {} : { authorization: `Bearer ${app.jwt.sign({ sub: user })}` }
      const answer = await fetch(`http://localhost:${port}${path}`, { method, headers })
      return [answer.status, await answer.text()]
    }
    t.same(await ask(undefined, 'GET', '/healthz'), [200, 'ok'])
    t.match(await ask(undefined, 'POST', '/tasks'), [401])
    t.same(await ask('ada', 'POST', '/tasks'), [200, '{"id":"1"}'])
    t.match(await ask('victor', 'POST', '/tasks'), [403])
    t.same(await ask('victor', 'GET', '/tasks/7'), [200, '{"id":"7","mayDelete":false}'])
    t.match(pdp.questions.slice(-2), ['retrieve', 'delete'].map(action => (
      { user: { key: 'victor' }, action, resource: { type: 'task', key: '7', tenant: 'default' } })))
  }
}

const typescript = snippets.filter(({ language }) => language === 'ts').map((snippet, index, all) => ({
  ...snippet,
  name: `${snippet.section} ${all.slice(0, index + 1).filter(({ section }) => section === snippet.section).length}`
}))

t.test('every TypeScript snippet has an effect that is tested', async t => {
  t.same(typescript.map(({ name }) => name), Object.keys(EFFECTS))
})

for (const { name, text } of typescript) {
  t.test(`the snippet "${name}" does what the README says`, t => EFFECTS[name]?.(t, text) ?? Promise.resolve())
}

t.test('the policy file of the README is valid', async t => {
  t.equal(snippets.filter(({ language }) => language === 'yaml').length, 1)
  const app = fastifyFor(t)
  await app.register(permit, { policy: parse(policyText) })
  t.equal(await app.permit.check('ada@example.com', 'create', 'task'), true)
  t.equal(await app.permit.check('victor@example.com', 'create', 'task'), false)
})

const linesOf = (found: typeof snippets) => found.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n')).filter(line => line !== '')
const shellLines = linesOf(snippets)
const exampleLines = linesOf(snippets.filter(({ section }) => section === 'Run the example'))

t.test('the JavaScript snippet runs unchanged, beside the policy file', async t => {
  const [snippet, ...more] = snippets.filter(({ language }) => language === 'js')
  t.same(more, [])
  const text = (snippet?.text as string).replace('await app.listen({ port: 3000 })', 'console.log(await app.listen({ port: 0 }))')
  const folder = await folderWith(t, { 'permit.yaml': policyText, 'app.mjs': text })
  const app = spawn(process.execPath, ['app.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(app, 'exit')
  const [said] = await once(app.stdout, 'data') as [Buffer]
  const lines = linesOf(snippets.filter(({ section }) => section === 'Five lines in an empty folder'))
  const asked = lines.filter(line => line.startsWith('curl '))
  t.equal(asked.length, 2)
  for (const line of asked) {
    const { status, body } = await curl(line.replace('http://127.0.0.1:3000', String(said).trim()), new Map())
    t.equal(`# ${status} ${body}`, lines[lines.indexOf(line) + 1], line)
  }
  app.kill()
  await ended
})

t.test('the curl lines do what the README says, with the app that npm start starts', async t => {
  const app = await startApp(t, {}, ['npm', 'start'])
  const variables = new Map<string, string>()
  let replayed = 0
  for (const [index, line] of exampleLines.entries()) {
    const here = line.replace('http://127.0.0.1:3000', app.url)
    const set = await assignment(here)
    if (set !== undefined) variables.set(set.name, set.value)
    if (!line.startsWith('curl ')) continue
    const { status, body } = await curl(here, variables)
    t.equal(`# ${status} ${body}`, exampleLines[index + 1], line)
    replayed++
  }
  t.equal(replayed, 7)
  t.ok((await fetch(`${app.url}/docs`)).ok)
})

t.test('the line that names a PDP makes the app use it', async t => {
  const line = exampleLines.find(line => line.startsWith('PERMIT_PDP_URL='))
  t.equal(line, 'PERMIT_PDP_URL=http://localhost:7766 PERMIT_API_KEY=your-api-key npm start')
  const pdp = await pdpFor(t, { token: 'your-api-key', decide: () => true })
  const app = await startApp(t, { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: 'your-api-key' }, ['npm', 'start'])
  t.equal((await fetch(`${app.url}/tenant2`)).status, 200)
  t.equal(pdp.questions.length, 1)
})

t.test('the command of the local PDP runs, on another port', async t => {
  const line = shellLines.find(line => line.startsWith('npx fastify-permit ')) ?? ''
  const folder = await folderFor(t)
  await writeFile(join(folder, 'permit.yaml'), policyText)
  const words = line.split(' ').slice(2).map(word => word === '7766' ? '0' : word)
  const child = spawn(process.execPath, ['--import=tsx', join(root, 'src/cli/main.ts'), ...words], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [said] = await once(child.stdout, 'data') as [Buffer]
  const url = /http:\/\/\S+/.exec(String(said))?.[0] ?? ''
  const ask = (user: string) => fetch(`${url}/allowed`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
    body: JSON.stringify({ user: { key: user }, action: 'create', resource: { type: 'task', tenant: 'default' } })
  }).then(async answer => (await answer.json() as { allow: boolean }).allow)
  t.same([await ask('ada@example.com'), await ask('victor@example.com')], [true, false])
  child.kill('SIGTERM')
  t.same((await ended)[0], 0)
})

t.test('the commands for containers match docker-compose.yml', async t => {
  const lines = linesOf(snippetsOf(await documentOf('docs/container.md')))
  const { services } = parse(await readFile(join(root, 'docker-compose.yml'), 'utf8')) as
    { services: Record<string, { profiles: string[], image?: string, ports: string[], environment?: Record<string, string> }> }
  const { image, ports, environment } = services.pdp as NonNullable<typeof services[string]>
  const [key] = Object.keys(environment ?? {})
  t.ok(lines.includes(`docker run -p ${ports[0]} --env ${key}=your-api-key ${image}`))
  t.ok(lines.includes(`${key}=your-api-key docker compose --profile pdp up --build`))
  t.ok(lines.includes('docker compose --profile embedded up --build'))
  const profiles = new Set(Object.values(services).flatMap(service => service.profiles))
  t.same([...profiles].sort(), ['embedded', 'pdp'])
})

t.test('every command in the README is tested', async t => {
  const known = [
    /^curl /, /^# \d{3} /, /^\w+=\$\(curl /, /^PERMIT_PDP_URL=.* npm start$/, /^npm ci && npm (start|test)$/, /^npx fastify-permit pdp /,
    /^npm init -y$/, /^npm install fastify \S+\/fastify-permit-0\.1\.0\.tgz$/, /^node app\.mjs &$/
  ]
  t.same(shellLines.filter(line => !known.some(pattern => pattern.test(line))), [])
  const { scripts, engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.hasProps(scripts, ['start', 'test'])
  const [, ...oldest] = /^\^(20\.\d+)\.0 \|\| >=(22\.\d+)\.0$/.exec(engines.node) ?? []
  t.match(readme, `Node ${oldest.join(', ')} or newer`)
  t.match(await readFile(join(root, '.ci/run'), 'utf8'), /^npm ci .*\nstep \d+ npm test$/m)
})

t.test('the links within the project work', async t => {
  const documents = (await readdir(join(root, 'docs'), { recursive: true })).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)
  for (const name of [...documents, 'SECURITY.md', 'CONTRIBUTING.md']) {
    const document = await documentOf(name)
    for (const [, target = ''] of document.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (!target.startsWith('http')) await t.resolves(access(join(root, dirname(name), target)), `${name}: ${target}`)
    }
  }
  const anchors = new Set([...readme.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    `#${(heading as string).toLowerCase().replaceAll(/[^\w\s-]/g, '').replaceAll(/\s/g, '-')}`))
  for (const [, target = ''] of readme.matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith('#')) t.ok(anchors.has(target), target)
    else if (!target.startsWith('http')) await t.resolves(access(join(root, target.replace(/#.*/, ''))), target)
  }
})
