// The example's page in React, used in a real Chromium: it shows what its user may do, and the routes refuse what it hides.
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { buildAppWithPage } from '../../example-app/react.js'
import { browserFor } from '../support/browser.js'
import '../support/loader.js'

t.test('the page shows buttons only to users who may use them', async t => {
  const app = await buildAppWithPage()
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const browser = await browserFor(t)
  const page = await browser.newPage()
  const failures: string[] = []
  page.on('pageerror', error => failures.push(error.message))
  await page.goto(`${url}/page`)

  const logIn = async (name: string, password = name) => {
    await page.getByLabel('Email').fill(`${name}@example.com`)
    await page.getByLabel('Password').fill(password)
    const [answer] = await Promise.all([
      page.waitForResponse(response => response.url().endsWith(password === name ? '/tasks' : '/login')), page.getByRole('button', { name: 'Log in' }).click()
    ])
    return answer.status()
  }
  const remove = page.getByRole('button', { name: 'Delete' })
  const create = page.getByRole('button', { name: 'Create' })

  t.equal(await logIn('ada', 'wrong'), 401)
  await page.getByRole('alert').filter({ hasText: '401' }).waitFor()
  t.equal(await create.count(), 0, 'nobody is logged in')

  // Ada is an admin: she creates a task, and deletes it.
  t.equal(await logIn('ada'), 200)
  await create.waitFor()
  const before = await page.getByRole('listitem').count()
  t.ok(before > 0)
  t.equal(await remove.count(), before)
  await page.getByLabel('Title').fill('Written in React')
  await create.click()
  const task = page.getByRole('listitem').filter({ hasText: 'Written in React' })
  await task.waitFor()
  await task.getByRole('button', { name: 'Delete' }).click()
  await task.waitFor({ state: 'detached' })

  // Victor is a viewer: he sees the tasks, and no button.
  t.equal(await logIn('victor'), 200)
  await create.waitFor({ state: 'detached' })
  t.equal(await page.getByRole('listitem').count(), before)
  t.equal(await remove.count(), 0)
  t.equal((await app.inject({ method: 'DELETE', url: '/tenants/default/tasks/1', headers: { authorization: `Bearer ${app.jwt.sign({ sub: 'victor@example.com' })}` } })).statusCode, 403)
  t.same(failures, [])
})
