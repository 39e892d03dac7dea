// The example app's OpenAPI page, looked at in a real Chromium. `npm run screenshot` writes what it sees for the README.
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { buildApp } from '../../example-app/app.js'
import { browserFor } from '../support/browser.js'
import { root } from '../support/documents.js'

t.test('the page shows the required permission and the errors of a guarded route', async t => {
  const app = await buildApp()
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo

  const browser = await browserFor(t)
  const page = await browser.newPage({ viewport: { width: 1100, height: 1000 } })
  const failures: string[] = []
  page.on('pageerror', error => failures.push(error.message))
  await page.goto(`http://127.0.0.1:${port}/docs/`)

  const guarded = [
    ['get', '/tenants/{tenant}/tasks', 'list'], ['post', '/tenants/{tenant}/tasks', 'create'],
    ['get', '/tenants/{tenant}/tasks/{id}', 'retrieve'], ['patch', '/tenants/{tenant}/tasks/{id}', 'update'], ['delete', '/tenants/{tenant}/tasks/{id}', 'delete']
  ] as const
  for (const [method, path, action] of guarded.toReversed()) {
    const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) })
    await block.locator('.opblock-summary-control').click()
    await block.locator('.responses-table').first().waitFor()
    const statuses = await block.locator('.responses-table .response-col_status').allInnerTexts()
    for (const status of ['401', '403', '503']) t.ok(statuses.some(text => text.startsWith(status)), `${method} ${path} shows ${status}`)
    const text = await block.innerText()
    t.match(text, new RegExp(`x-permit-action\\s+"?${action}`))
    t.match(text, /x-permit-resource\s+"?task/)
    t.match(text, 'The permission cannot be checked right now.')
    if (action !== 'list') await block.locator('.opblock-summary-control').click()
  }
  const login = page.locator('.opblock-post', { has: page.locator('[data-path="/login"]') })
  await login.locator('.opblock-summary-control').click()
  await login.locator('.responses-table').first().waitFor()
  t.notMatch(await login.innerText(), /x-permit/, 'a public route has none of it')
  await login.locator('.opblock-summary-control').click()
  t.same(failures, [])

  const block = page.locator('.opblock-get', { has: page.locator('[data-path="/tenants/{tenant}/tasks"]') })
  const picture = await block.screenshot(process.env.SCREENSHOT === '1' ? { path: join(root, 'docs/openapi.png') } : {})
  t.ok(picture.length > 10_000, 'there is something to see')
})
