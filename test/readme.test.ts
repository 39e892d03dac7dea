// The README is tested as the code is: its snippets run, its commands exist, its tables are complete.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { PolicySchema } from '../src/engine/policy/policy.js'
import { AppPermit } from '../src/fastify/fastify-permit.js'
import { Permit } from '../src/app/app-permit.js'
import { RequestPermit } from '../src/app/request-permit.js'
import * as errors from '../src/contract/errors.js'
import permit, { type Annotation } from '../src/index.js'
import { OptionsSchema } from '../src/app/options/schema.js'
import { assignment, curl } from './example-app/curl.js'
import { startApp } from './example-app/start.js'
import { fastifyFor, guardedApp, pdpFor } from './support/app.js'
import { code, documentOf, folderWith, root, snippetsOf, tableIn } from './support/documents.js'

const readme = await documentOf('README.md')
const snippets = snippetsOf(readme)
const policyText = snippets.find(({ language }) => language === 'yaml')?.text as string

const tableOf = (heading: string, document = readme) => tableIn(document, heading)

/** A folder with the README's permit.yaml. */
const folderFor = (t: Test): Promise<string> => folderWith(t, { 'permit.yaml': policyText })

/** Runs a snippet as the module that it is, where its permit.yaml lies, and hands out its `app`. */
async function run (t: Test, text: string, replace: Readonly<Record<string, string>> = {}): Promise<FastifyInstance> {
  const folder = await folderFor(t)
  const file = join(folder, 'snippet.ts')
  let source = `${text}\nexport { app }\n`
  for (const [from, to] of Object.entries(replace)) {
    if (!source.includes(from)) throw new Error(`the snippet has no ${from} any more`)
    source = source.replace(from, to)
  }
  await writeFile(file, source)
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  const { app } = await import(pathToFileURL(file).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  return app
}

const as = (name: string) => ({ headers: { 'x-user': `${name}@example.com` } })

/** What each TypeScript snippet has to do, by its section and place in it. */
const EFFECTS: Readonly<Record<string, (t: Test, text: string) => Promise<void>>> = {
  'Use it 1': async (t, text) => {
    const pdp = await pdpFor(t, { decide: ({ user, action }) => user.key === 'ada' || action === 'retrieve' })
    process.env.JWT_SECRET = 'a secret for this test'
    process.env.PERMIT_API_KEY = pdp.token
    t.teardown(() => { delete process.env.JWT_SECRET; delete process.env.PERMIT_API_KEY })
    const app = await run(t, text, { 'http://localhost:7766': pdp.url, 'port: 3000': 'port: 0', 'logger: true': 'logger: false' })
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
    t.same(await ask('victor', 'GET', '/tasks/7'), [200, '{"id":"7"}'])
    t.match(pdp.questions.at(-1), { user: { key: 'victor' }, action: 'retrieve', resource: { type: 'task', key: '7', tenant: 'default' } })
  },

  'What a route requires 1': async (t, text) => {
    const app = await run(t, text)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('ada') })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('victor') })).statusCode, 403)
    t.equal((await app.inject({ method: 'POST', url: '/tasks' })).statusCode, 401)
  },

  'On the request, on the app 1': async (t, text) => {
    const app = await run(t, text)
    t.same((await app.inject({ url: '/tasks', ...as('victor') })).json(), [{ id: '1', tenant: 'default', title: 'Write the README' }])
    t.same((await app.inject({ url: '/tasks', ...as('noel') })).json(), [])
    t.equal((await app.inject('/tasks')).statusCode, 401)
  },

  'Writing users, tenants and roles 1': async (t, text) => {
    const app = await run(t, text)
    t.equal(await app.permit.check('john@smith.com', 'create', 'task'), true)
    t.equal(await app.permit.check('john@smith.com', 'create', { type: 'task', tenant: 'cool_company_inc' }), false)
    t.equal(await app.permit.check('john@smith.com', 'retrieve', { type: 'task', tenant: 'cool_company_inc' }), true)
  },

  'Errors 1': async (t, text) => {
    const app = await run(t, text)
    const refused = await app.inject({ method: 'DELETE', url: '/tasks/1', ...as('victor') })
    t.equal(refused.statusCode, 404)
    t.same(refused.json(), { message: 'Not found' })
    t.equal((await app.inject({ method: 'DELETE', url: '/tasks/1', ...as('ada') })).body, 'deleted')
    t.equal((await app.inject({ method: 'DELETE', url: '/tasks/1' })).statusCode, 401)
  },

  'The embedded PDP 1': async (t, text) => {
    const app = await run(t, text)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('ada') })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('victor') })).statusCode, 403)

    // "To move to the container, replace the line"
    const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'victor@example.com' })
    const line = text.split('\n').find(line => line.includes('policy:')) as string
    const moved = await run(t, text, { [line]: `  pdp: '${pdp.url}',\n  token: '${pdp.token}',` })
    t.equal((await moved.inject({ method: 'POST', url: '/tasks', ...as('ada') })).statusCode, 403)
    t.equal((await moved.inject({ method: 'POST', url: '/tasks', ...as('victor') })).statusCode, 200)
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

function annotationTexts (): string[] {
  return tableOf('`config.permit`').map(([cell]) => code(cell as string)[0] as string)
}

/** What the PDP is asked for each row of the table, for GET tenant2.example.com/tasks/7: `action type:key @tenant`. */
const ASKED: ReadonlyArray<readonly string[]> = [
  ['create task @default'],
  ['retrieve task:7 @default'],
  ['retrieve task:7 @default'],
  ['list task @tenant2'],
  ['list task @tenant2'],
  ['retrieve task @default {"path":"/tasks/7"}'],
  ['update task:7 @default {"ip":"127.0.0.1"}'],
  ['list task @default', 'create task @default'],
  ['retrieve task @default', 'update task:7 @default'],
  ['list task @default'],
  []
]

t.test('each annotation of the table asks what the table says', async t => {
  const folder = await folderFor(t)
  const file = join(folder, 'annotations.ts')
  await writeFile(file, `export const annotations = [\n${annotationTexts().join(',\n')}\n]\n`)
  const { annotations } = await import(pathToFileURL(file).href) as { annotations: Annotation[] }
  t.equal(annotations.length, ASKED.length)

  for (const [index, annotation] of annotations.entries()) {
    const row = annotationTexts()[index] as string
    const { app, pdp } = await guardedApp(t, {}, { decide: () => true })
    app.get('/tasks/:id', { config: { permit: annotation } }, async () => 'ok')
    if (annotation !== false) app.get('/by-hook/:id', { preHandler: app.permit.guard(annotation) }, async () => 'ok')
    const request = { url: '/tasks/7', headers: { host: 'tenant2.example.com', 'x-user': 'ann' } }
    t.equal((await app.inject(request)).statusCode, 200, row)
    t.same(pdp.questions.map(({ action, resource: { type, key, tenant, attributes }, context }) => {
      const facts = attributes ?? (Object.keys(context ?? {}).length > 0 ? context : undefined)
      return `${action} ${type}${key === undefined ? '' : `:${key}`} @${tenant}${facts === undefined ? '' : ` ${JSON.stringify(facts)}`}`
    }).sort(), [...ASKED[index] as string[]].sort(), row)
    t.equal((await app.inject('/tasks/7')).statusCode, annotation === false ? 200 : 401, row)
    if (annotation !== false) t.equal((await app.inject({ ...request, url: '/by-hook/7' })).statusCode, 200, `as a hook: ${row}`)
  }
})

t.test('the policy file of the README is one', async t => {
  t.equal(snippets.filter(({ language }) => language === 'yaml').length, 1)
  const app = fastifyFor(t)
  await app.register(permit, { policy: parse(policyText) })
  t.equal(await app.permit.check('ada@example.com', 'create', 'task'), true)
  t.equal(await app.permit.check('victor@example.com', 'create', 'task'), false)
})

t.test('the example in docs/embedded-pdp.md is decided as its table says', async t => {
  const document = await readFile(join(root, 'docs/embedded-pdp.md'), 'utf8')
  const app = fastifyFor(t)
  await app.register(permit, { policy: parse(snippetsOf(document).find(({ language }) => language === 'yaml')?.text as string) })
  const rows = tableOf('`app.permit.check(…)`', document)
  t.equal(rows.length, 6)
  for (const [question = '', answer] of rows) {
    const [user, action, resource] = JSON.parse(`[${code(question)[0]?.replaceAll("'", '"')}]`) as [string, string, string]
    t.equal(await app.permit.check(user, action, resource), answer === 'yes', question)
  }
  t.same(tableOf('Block', document).flatMap(([cell]) => code(cell as string)).sort(), Object.keys(PolicySchema.properties).sort())
})

t.test('the table of options is the one that the schema makes', async t => {
  const head = '| Option | What | Expected | Default |\n| --- | --- | --- | --- |\n'
  const start = readme.indexOf(head) + head.length
  const end = readme.indexOf('\n\n', start)
  const rows = optionRows(OptionsSchema.properties).join('\n')
  // `npx tap --snapshot test/readme.test.ts` writes the table anew.
  if (process.env.TAP_SNAPSHOT === '1') await writeFile(join(root, 'README.md'), readme.slice(0, start) + rows + readme.slice(end))
  else t.equal(readme.slice(start, end), rows)
})

function optionRows (properties: Readonly<Record<string, TSchema>>, prefix = ''): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const { description, expected, shownDefault, default: value, anyOf = [] } =
      schema as { description?: string, expected?: string, shownDefault?: string, default?: unknown, anyOf?: Array<{ properties?: Record<string, TSchema> }> }
    const cells = [`\`${prefix}${name}\``, description, expected, shownDefault ?? (value === undefined ? '–' : `\`${JSON.stringify(value)}\``)]
    const inner = anyOf.flatMap(branch => optionRows(branch.properties ?? {}, `${prefix}${name}.`))
    return [`| ${cells.map(cell => String(cell).replaceAll('|', '\\|')).join(' | ')} |`, ...inner]
  })
}

t.test('the tables of request.permit and app.permit name every method, and no other', async t => {
  const methodsOf = (...faces: object[]) => faces.flatMap(face => Object.getOwnPropertyNames(face)).filter(name => name !== 'constructor').sort()
  const named = (heading: string) => tableOf(heading).flatMap(([cell]) => code(cell as string)).map(text => text.replace(/\(.*/, '')).sort()
  t.same(named('`request.permit`'), methodsOf(RequestPermit.prototype))
  t.same(named('`app.permit`'), methodsOf(AppPermit.prototype, Permit.prototype))
})

t.test('the table of errors has the codes and statuses that the errors have', async t => {
  const rows = tableOf('What happened')
  for (const [, status, codeCell, classCell] of rows) {
    const [name] = code(classCell as string)
    const Class = (errors as unknown as Record<string, new (...args: string[]) => Error & { code: string, statusCode: number }>)[name as string]
    const error = name === 'WriteError'
      ? new errors.WriteError('', { index: 0, applied: [], partly: undefined, cause: undefined })
      : new (Class as NonNullable<typeof Class>)('')
    t.equal(`\`${error.code}\``, codeCell)
    if (status !== '–') t.equal(String(error.statusCode), status)
  }
  t.same(rows.map(([,,, cell]) => code(cell as string)[0]).sort(), Object.keys(errors).filter(name => name.endsWith('Error') && name !== 'PdpError').sort())
})

const shellLines = snippets.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n')).filter(line => line !== '')

t.test('the curl lines do what the README says, asked of what npm start has started', async t => {
  const app = await startApp(t, {}, ['npm', 'start'])
  const variables = new Map<string, string>()
  let replayed = 0
  for (const [index, line] of shellLines.entries()) {
    const here = line.replace('http://127.0.0.1:3000', app.url)
    const set = await assignment(here)
    if (set !== undefined) variables.set(set.name, set.value)
    if (!line.startsWith('curl ')) continue
    const { status, body } = await curl(here, variables)
    t.equal(`# ${status} ${body}`, shellLines[index + 1], line)
    replayed++
  }
  t.equal(replayed, 7)
  t.ok((await fetch(`${app.url}/docs`)).ok)
})

t.test('the line that names a PDP makes the app ask it', async t => {
  const line = shellLines.find(line => line.startsWith('PERMIT_PDP_URL='))
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

t.test('the commands for containers are those that docker-compose.yml can follow', async t => {
  const { services } = parse(await readFile(join(root, 'docker-compose.yml'), 'utf8')) as
    { services: Record<string, { profiles: string[], image?: string, ports: string[], environment?: Record<string, string> }> }
  const { image, ports, environment } = services.pdp as NonNullable<typeof services[string]>
  const [key] = Object.keys(environment ?? {})
  t.ok(shellLines.includes(`docker run -p ${ports[0]} --env ${key}=your-api-key ${image}`))
  t.ok(shellLines.includes(`${key}=your-api-key docker compose --profile pdp up --build`))
  t.ok(shellLines.includes('docker compose --profile embedded up --build'))
  const profiles = new Set(Object.values(services).flatMap(service => service.profiles))
  t.same([...profiles].sort(), ['embedded', 'pdp'])
})

t.test('there is no command in the README that no test knows', async t => {
  const known = [/^curl /, /^# \d{3} /, /^\w+=\$\(curl /, /^PERMIT_PDP_URL=.* npm start$/, /^(\w+=\S+ )?docker /, /^npm ci && npm (start|test)$/, /^npm run bench/, /^npx fastify-permit pdp /]
  t.same(shellLines.filter(line => !known.some(pattern => pattern.test(line))), [])
  const { scripts, engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.hasProps(scripts, ['start', 'test'])
  t.match(readme, `Node ${engines.node.replace('>=', '')} or newer`)
  t.match(await readFile(join(root, '.ci/run'), 'utf8'), 'npm ci && npm test')
})

t.test('the links within the project lead somewhere', async t => {
  const documents = (await readdir(join(root, 'docs'), { recursive: true })).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)
  for (const name of [...documents, 'SECURITY.md']) {
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
