// docs/routes.md and docs/openapi.md do what they say.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { permit } from '../cli/in-process.js'
import { code, documentOf, folderWith, root, snippetsOf, tableIn } from '../support/documents.js'
import '../support/loader.js'
import { strictness } from '../../src/guard/strict.js'

const policy = snippetsOf(await documentOf('README.md')).find(({ language }) => language === 'yaml')?.text as string
const page = await documentOf('docs/routes.md')
const snippet = async (name: string) => snippetsOf(await documentOf(`docs/${name}.md`)).find(({ language }) => language === 'ts')?.text as string

async function folderFor (t: Test, text: string): Promise<string> {
  const folder = await folderWith(t, { 'permit.yaml': policy, 'app.ts': text })
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  return folder
}

async function appOf (t: Test, text: string): Promise<FastifyInstance> {
  const { app } = await import(pathToFileURL(join(await folderFor(t, text), 'app.ts')).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  return app
}

const [message, table] = snippetsOf(page).filter(({ language }) => language === 'text').map(({ text }) => text.trimEnd())

t.test('the app in docs/routes.md starts, and is guarded', async t => {
  const app = await appOf(t, await snippet('routes'))
  const statusOf = async (method: 'GET' | 'POST', url: string, user?: string) =>
    (await app.inject({ method, url, headers: user === undefined ? {} : { 'x-user': `${user}@example.com` } })).statusCode
  t.equal(await statusOf('GET', '/healthz'), 200)
  t.equal(await statusOf('GET', '/docs/json'), 200)
  t.equal(await statusOf('GET', '/tasks'), 401)
  t.equal(await statusOf('GET', '/tasks', 'victor'), 200)
  t.equal(await statusOf('POST', '/tasks', 'victor'), 403)
  t.equal(await statusOf('POST', '/tasks', 'ada'), 200)
})

t.test('with the route without an annotation it does not start, with the message on the page', async t => {
  const app = await appOf(t, `${await snippet('routes')}\napp.delete('/tasks/:id', async () => 'deleted')\n`)
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_UNDECLARED', message })
})

t.test('the entries in the table match the routes that the table says', async t => {
  const entries = tableIn(page, 'Entry of `strict.public`').map(([cell]) => code(cell as string))
  t.same(entries, [['/docs'], ['/docs/*'], ['OPTIONS *'], ['/*', '*']])
  const isPublic = (entry: string, method: string, url: string) => strictness([entry]).isPublic({ methods: [method], url, constraints: undefined })
  t.ok(isPublic('/docs', 'GET', '/docs') && !isPublic('/docs', 'GET', '/docs/a'))
  t.ok(isPublic('/docs/*', 'GET', '/docs') && isPublic('/docs/*', 'GET', '/docs/a') && !isPublic('/docs/*', 'GET', '/docs2'))
  t.ok(isPublic('OPTIONS *', 'OPTIONS', '*') && !isPublic('OPTIONS *', 'GET', '*'))
  t.ok(!isPublic('/*', 'GET', '/tasks') && !isPublic('*', 'GET', '/tasks'))
})

t.test('the command prints the table on the page', async t => {
  const folder = await folderFor(t, await snippet('routes'))
  const { code, out } = await permit(['routes', join(folder, 'app.ts'), '--strict', '--policy', 'permit.yaml'])
  t.equal(code, 0)
  const isShown = (line: string) => !line.includes('/docs')
  const cells = (text: string | undefined) => text?.split('\n').filter(isShown).map(line => line.split(/ {2,}/))
  t.same(cells(out), cells(table))
})

t.test('the document in docs/openapi.md contains what the page says', async t => {
  const app = await appOf(t, await snippet('openapi'))
  await app.ready()
  const { paths } = (app as unknown as { swagger (): { paths: Record<string, unknown> } }).swagger()
  t.match(paths['/tasks/{id}'], { 'x-permit-resource': 'task', get: { 'x-permit-action': 'retrieve', responses: { 200: {}, 401: {}, 403: {}, 503: {} } } })
})
