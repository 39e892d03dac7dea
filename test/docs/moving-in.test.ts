// docs/moving-in.md: each app before and after runs with the real packages, gives the same answers, and has the lines that the page says.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { readPolicyFile } from '../../src/environment/file/policy-file.js'
import { createLocalPdp } from '../../src/server/index.js'
import { permit, words } from '../cli/in-process.js'
import { documentOf, folderWith, root, snippetsOf, tableIn } from '../support/documents.js'
import '../support/loader.js'

const page = await documentOf('docs/moving-in.md')
const snippets = snippetsOf(page)
const files = new Map(snippets.flatMap(({ file, text }) => file === undefined ? [] : [[file, text] as const]))
const FROM = ['permitio', 'casbin', 'casl', 'auth']

/** The files of the page, where a reader would have them; it is the working directory until the test is over. */
async function pageFolder (t: Test, policy = files.get('permit.yaml') ?? ''): Promise<string> {
  const folder = await folderWith(t, { ...Object.fromEntries(files), 'permit.yaml': policy })
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  return folder
}

/** The statuses of each user and each route. */
async function answersOf (t: Test, file: string): Promise<Record<string, number>> {
  const { app } = await import(pathToFileURL(join(process.cwd(), file)).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  const answers: Record<string, number> = {}
  for (const user of ['ada@example.com', 'victor@example.com', 'eve@example.com', undefined]) {
    for (const [method, url] of [['POST', '/tasks'], ['GET', '/tasks/1']] as const) {
      const { statusCode } = await app.inject({ method, url, headers: user === undefined ? {} : { 'x-user': user } })
      answers[`${user} ${method}`] = statusCode
    }
  }
  return answers
}

const EXPECTED = {
  'ada@example.com POST': 200,
  'ada@example.com GET': 200,
  'victor@example.com POST': 403,
  'victor@example.com GET': 200,
  'eve@example.com POST': 403,
  'eve@example.com GET': 403,
  'undefined POST': 401,
  'undefined GET': 401
}

t.test('a hook with permitio and the plugin give the same answers, from one PDP', async t => {
  const folder = await pageFolder(t)
  const pdp = createLocalPdp({ token: 'a-token', policy: join(folder, 'permit.yaml') })
  t.teardown(() => pdp.close())
  Object.assign(process.env, { PERMIT_PDP_URL: await pdp.listen({ port: 0, host: '127.0.0.1' }), PERMIT_API_KEY: 'a-token' })
  t.teardown(() => { for (const name of ['PERMIT_PDP_URL', 'PERMIT_API_KEY']) delete process.env[name] })
  t.same(await answersOf(t, 'permitio/before.ts'), EXPECTED)
  t.same(await answersOf(t, 'permitio/after.ts'), EXPECTED)
})

t.test('fastify-casbin and the plugin with the imported policy give the same answers', async t => {
  const folder = await pageFolder(t)
  const [, command = ''] = /^npx fastify-permit (import casbin .+)$/m.exec(page) ?? []
  t.match(await permit([...words(command), '--yes']), { code: 0 })
  t.same(await answersOf(t, 'casbin/before.ts'), EXPECTED)
  t.same(await answersOf(t, 'casbin/after.ts'), EXPECTED)
  // What is imported is what the page shows.
  const shown = join(folder, 'shown/permit.yaml')
  await mkdir(dirname(shown), { recursive: true })
  await writeFile(shown, files.get('permit.yaml') ?? '')
  const [imported, onPage] = [await readPolicyFile(join(folder, 'permit.yaml')), await readPolicyFile(shown)]
  t.same([imported.roles, imported.role_assignments], [onPage.roles, onPage.role_assignments])
})

for (const from of ['casl', 'auth']) {
  t.test(`the apps of ${from} before and after give the same answers`, async t => {
    await pageFolder(t)
    t.same(await answersOf(t, `${from}/before.ts`), EXPECTED)
    t.same(await answersOf(t, `${from}/after.ts`), EXPECTED)
  })
}

t.test('the lines in the table are those of the apps', async t => {
  const linesOf = (file: string) => `${(files.get(file) ?? '').split('\n').filter(line => !/^\s*(?:\/\/.*)?$/.test(line)).length} lines`
  t.same(tableIn(page, 'From').map(([, before, after]) => [before, after]), FROM.map(from => [linesOf(`${from}/before.ts`), linesOf(`${from}/after.ts`)]))
})
