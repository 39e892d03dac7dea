// docs/express.md is tested as the code is: its snippets run and have no type errors, its tables tell what happens.
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Permit } from '../../src/app/app-permit.js'
import { RequestPermit } from '../../src/app/request-permit.js'
import { root } from '../example-app/start.js'
import '../support/loader.js'

const document = await readFile(join(root, 'docs/express.md'), 'utf8')
const snippets = [...document.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text]) => text as string)

await mkdir(join(root, '.tap'), { recursive: true })
const folder = await mkdtemp(join(root, '.tap', 'express-docs-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

t.test('the first snippet guards its routes, and stops with its server', async t => {
  await writeFile(join(folder, 'permit.yaml'), `
resources: { task: { actions: { create: {}, retrieve: {} } } }
roles: { admin: { permissions: ['task:create', 'task:retrieve'] }, viewer: { permissions: ['task:retrieve'] } }
users: { ada: {}, victor: {} }
role_assignments: [{ user: ada, role: admin }, { user: victor, role: viewer }]
`)
  const text = (snippets[0] as string).replace('authz.closeWith(app.listen(3000))', "export const server = authz.closeWith(app.listen(0, '127.0.0.1'))\nexport { authz, app }\napp.set('env', 'test')")
  await writeFile(join(folder, 'app.ts'), text)
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  const { server, authz } = await import(pathToFileURL(join(folder, 'app.ts')).href) as { server: Server, authz: { close (): Promise<void>, permit: Permit } }
  await once(server, 'listening')
  const ask = async (path: string, user?: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { method, headers: user === undefined ? {} : { 'x-user': user } })
    return [answer.status, await answer.text()]
  }
  t.same(await ask('/healthz'), [200, 'ok'])
  t.same(await ask('/tasks', 'ada', 'POST'), [200, '{"id":"1"}'])
  t.match(await ask('/tasks', 'victor', 'POST'), [403])
  t.same(await ask('/tasks/7', 'victor'), [200, '{"id":"7"}'])
  t.match(await ask('/tasks/7'), [401])
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
  await authz.close()
  await t.rejects(authz.permit.check('ada', 'create', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
})

t.test('the table lists every method', async t => {
  for (const name of [...Object.getOwnPropertyNames(RequestPermit.prototype), ...Object.getOwnPropertyNames(Permit.prototype)]) {
    if (name !== 'constructor') t.match(document, `\`${name}\``, name)
  }
})
