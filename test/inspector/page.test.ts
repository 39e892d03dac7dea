// The inspector's page in a real Chromium: as a person uses it, with texts that would like to be more than text.
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import Fastify from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import permit from '../../src/index.js'
import { LINES } from '../../src/inspector/page/test-lines.js'
import { pdpFor } from '../support/app.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'
import { browserFor } from '../support/browser.js'
import { built } from '../support/built.js'
import { FRAMEWORKS, type Inspecting, type Watched } from './watching.js'

const start = (t: Test, inspector: Inspecting) => (FRAMEWORKS.Fastify as typeof FRAMEWORKS[string])(t, inspector)

/** Opens the page; what goes wrong in it is collected. */
async function opened (page: Page, { url }: Watched) {
  page.setDefaultTimeout(15_000)
  const problems: string[] = []
  page.on('pageerror', error => problems.push(error.message))
  page.on('console', message => { if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text()) })
  page.on('dialog', dialog => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss().catch(() => {}) })
  page.on('request', request => { if (!request.url().startsWith(url)) problems.push(`request to ${request.url()}`) })
  await page.goto(`${url}/_permit`)
  await page.locator('[data-connection=live]').waitFor()
  return problems
}

// One for all tests: its start takes longer than most of them.
const browser = await browserFor(t)

const HOSTILE = [
  '<script>window.owned = 1; alert(1)</script>', '<img src=x onerror="window.owned = 1">', '"><svg onload=window.owned=1>', "javascript:window.owned='1'",
  '{{window.owned = 1}}', '</td></tr></table><iframe srcdoc="<script>parent.owned = 1</script>">', '&lt;b&gt;', '\u202e\u2028\u0007"\'`', '__proto__', 'constructor'
]

t.test('decisions appear while they are made; they can be filtered, stopped and looked at, by keyboard alone', async t => {
  const app = await start(t, true)
  const page = await browser.newPage({ viewport: { width: 1_300, height: 900 } })
  const problems = await opened(page, app)
  await page.getByText('No decision yet').waitFor()
  t.equal(await app.ask('ann', '7'), 200)
  t.equal(await app.ask('eve', '8'), 403)
  const rows = page.locator('tbody tr')
  await rows.nth(1).waitFor()
  t.match((await rows.first().innerText()).split('\t').map(text => text.trim()), [/\d/, 'eve', 'read', 'task:8', 'default', 'denied', /\w/, 'embedded', /\d/, 'GET /tasks/:id'], 'the newest first')

  await page.getByLabel('User').fill('AN')
  await page.getByText('1 of 2 decisions').waitFor()
  t.match(await rows.allInnerTexts(), [/ann\s+read\s+task:7\s+default\s+allowed/])
  await page.getByRole('button', { name: 'Reset filters' }).click()
  await page.locator('select[name=outcome]').selectOption('denied')
  t.match(await rows.allInnerTexts(), [/eve/])
  await page.getByRole('button', { name: 'Reset filters' }).click()
  await page.getByText('2 of 2 decisions').waitFor()

  await page.getByRole('button', { name: 'Pause' }).focus()
  await page.keyboard.press('Enter')
  await app.ask('ann', '9')
  await page.getByText('Paused: 1 new').waitFor()
  t.equal(await rows.count(), 2)
  await page.getByRole('button', { name: 'Continue' }).press('Enter')
  await rows.nth(2).waitFor()

  await rows.nth(1).getByRole('button').press('Enter')
  const details = page.getByRole('region', { name: 'Details of the decision' })
  t.match(await details.innerText(), /User\s+eve[^]*Resource\s+task:8[^]*Reason\s+\S[^]*Route\s+GET \/tasks\/:id/)
  await details.getByRole('list', { name: 'Why' }).waitFor()
  t.match(await details.innerText(), /eve may not read task:8 in default[^]*RBAC: roles in the tenant[^]*create user 'eve' and assign role 'reader' to 'eve'[^]*"key": "8"/)
  await details.getByRole('button', { name: 'Close details' }).press('Enter')
  t.equal(await details.count(), 0)
  t.same(problems, [])
})

t.test('hostile users, resources, tenants and attributes are text: nothing of them runs', async t => {
  const app = await start(t, { attributes: true })
  const page = await browser.newPage()
  const problems = await opened(page, app)
  for (const text of HOSTILE) await app.check(text, text, { [text]: text })
  const rows = page.locator('tbody tr')
  await rows.nth(HOSTILE.length - 1).waitFor()
  for (const [index, text] of HOSTILE.toReversed().entries()) {
    t.equal(await rows.nth(index).locator('td').nth(1).textContent(), text)
    await rows.nth(index).getByRole('button').click()
    const details = page.getByRole('region', { name: 'Details of the decision' })
    t.ok((await details.textContent())?.includes(`task:${text}`))
    const tree = details.getByRole('list', { name: 'Why' })
    await tree.waitFor()
    // A sentence must not be turned around by a key in it.
    t.notMatch(await tree.textContent(), /[\u202e\u2028]/)
  }
  t.equal(await page.evaluate('window.owned'), undefined)
  t.equal(await page.locator('td *:not(button, span), dd *, .tree *:not(ul, li, span), pre *, script:not([src]), iframe, img').count(), 0)
  // The policy holds: what the page itself is not may not run either.
  t.equal(await page.evaluate('fetch("https://example.com").then(() => "sent", () => "refused")'), 'refused')
  t.ok(problems.splice(0).every(text => text.includes('example.com')))
})

t.test('any question can be asked: the form completes from the policy, the answer says what would make it a yes, and lines are copied', async t => {
  const app = await start(t, true)
  const page = await browser.newPage({ viewport: { width: 1_300, height: 900 } })
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  const problems = await opened(page, app)
  await page.getByRole('link', { name: 'Why?' }).click()
  const form = page.getByRole('form', { name: 'Question' })
  const known = (name: string) => page.locator(`#known-${name} option`).evaluateAll(options => options.map(option => (option as unknown as { value: string }).value))
  await form.getByLabel('User', { exact: true }).fill('an')
  await page.locator('#known-user option').first().waitFor({ state: 'attached' })
  t.same(await known('user'), ['ann'])
  t.same(await known('resource'), ['task'])
  await form.getByLabel('User', { exact: true }).fill('ann')
  await form.getByLabel('Resource', { exact: true }).fill('task')
  t.same(await known('action'), ['read', 'inspect'])
  await form.getByLabel('Action').fill('inspect')
  await form.getByLabel('Context').fill('{ "hour": ')
  await form.getByRole('button', { name: 'Ask why' }).press('Enter')
  await page.getByRole('alert').getByText('Context (JSON) is not JSON').waitFor()
  await form.getByLabel('Context').fill('')
  await form.getByRole('button', { name: 'Ask why' }).press('Enter')
  const changes = page.getByRole('list', { name: 'What would make it a yes' })
  await changes.waitFor()
  t.same(await changes.getByRole('listitem').allInnerTexts(), ["assign role 'operator' to 'ann' in tenant 'default'", "give role 'reader' the permission 'task:inspect'"])
  t.match(await page.getByRole('list', { name: 'Why', exact: true }).innerText(), /ann may not inspect task in default[^]*has role reader in default, which does not hold task:inspect[^]*needed: role operator/)

  const copied = async (name: string): Promise<string> => {
    await page.getByRole('button', { name: `Copy ${name}` }).click()
    await page.getByText(`Copied ${name}.`).waitFor()
    return await page.evaluate('navigator.clipboard.readText()')
  }
  const test = await copied('test')
  t.same(parse(test), [{ user: { key: 'ann' }, tenant: 'default', resource: { type: 'task' }, may_not: ['inspect'] }])
  t.match(await copied('curl'), /curl -s "\$PERMIT_PDP_URL\/allowed"[^]*Bearer \$PERMIT_API_KEY[^]*-d '\{"user":\{"key":"ann"\},"action":"inspect"/)
  t.match(await copied('TypeScript'), 'await app.permit.explain("ann", "inspect", {"type":"task","tenant":"default"})')
  t.same(problems, [])
})

t.test('lines to copy are what was asked, whatever it was called: the shell, YAML and JavaScript read the same texts', t => {
  for (const [index, text] of [...HOSTILE, "'; rm -rf x; '", '$(id)', '`id`', '$PATH', '- a: b', '# c', 'a\nb'].entries()) {
    const question = { user: { key: text, attributes: { [text]: text } }, action: text, resource: { type: 'task', key: text, tenant: text }, context: { [text]: text }, hidden: false }
    const answer = { question, outcome: 'no' } as const
    const [entry] = parse(LINES.test.of(answer)) as Array<Record<string, unknown>>
    t.strictSame(JSON.stringify(entry), JSON.stringify({ user: question.user, tenant: text, resource: { type: 'task', key: text, attributes: undefined }, context: question.context, may_not: [text] }), `text ${index}`)
    const printed = execFileSync('sh', ['-c', LINES.curl.of(answer).replace('curl ', 'printf "%s\\n" ')], { env: {}, encoding: 'utf8' })
    t.equal(JSON.stringify(JSON.parse(printed.split('\n').at(-2) as string)), JSON.stringify({ user: question.user, action: text, resource: question.resource, context: question.context }), `text ${index}`)
    const call = LINES.typescript.of(answer).replace(/^.*explain/, 'read')
    t.equal(runInNewContext(call, { read: (...given: unknown[]) => JSON.stringify(given) }), JSON.stringify([question.user, text, question.resource, { context: question.context }]), `text ${index}`)
  }
  t.end()
})

t.test('under a flood of decisions the page still answers clicks, and each decision is shown or counted as missing', async t => {
  const app = await start(t, true)
  const page = await browser.newPage({ viewport: { width: 1_300, height: 900 } })
  const problems = await opened(page, app)
  const FLOOD = 5_000
  // At once, so that most are gone before they could be sent.
  await Promise.all(Array.from({ length: FLOOD }, (_, index) => app.check('ann', String(index))))
  await page.getByText('decisions are missing').waitFor()
  await page.locator('tbody tr').getByText(`task:${FLOOD - 1}`, { exact: true }).waitFor()
  const lost = Number(/: (\d+) decisions are missing/.exec(await page.locator('.warning').innerText())?.[1])
  const kept = Number(/of (\d+) decisions/.exec(await page.locator('.status').innerText())?.[1])
  t.ok(lost > 0)
  t.equal(lost + kept, FLOOD)

  await page.getByRole('button', { name: 'Pause' }).click()
  await Promise.all(Array.from({ length: 100 }, (_, index) => app.check('otto', String(index))))
  await page.getByText('Paused: 100 new').waitFor()
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByLabel('User').fill('otto')
  await page.getByText('100 of 1000 decisions').waitFor()
  t.equal(await page.locator('tbody tr').count(), 100)
  t.same(problems, [])
})

t.test('axe finds nothing in any view, in light and dark, from 320 px to 4k, and no view is wider than the window', async t => {
  const app = await start(t, true)
  const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await app.ask('ann', '7')
  await app.ask('eve', '8')
  for (const [width, height, colorScheme] of [[320, 900, 'light'], [320, 900, 'dark'], [3_840, 2_160, 'light'], [3_840, 2_160, 'dark']] as const) {
    const page = await browser.newPage({ bypassCSP: true, viewport: { width, height }, colorScheme })
    const problems = await opened(page, app)
    await page.evaluate(axe)
    const check = async (view: string): Promise<void> => {
      const { violations } = await page.evaluate('axe.run()') as { violations: Array<{ id: string, nodes: Array<{ html: string }> }> }
      t.same(violations.map(({ id, nodes }) => [id, nodes[0]?.html]), [], `${view} at ${width} px, ${colorScheme}`)
      t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true, `${view} fits into ${width} px`)
    }
    await page.locator('tbody tr').filter({ hasText: 'eve' }).getByRole('button').click()
    await page.getByRole('list', { name: 'Why', exact: true }).waitFor()
    await check('a decision')

    await page.getByRole('link', { name: 'Why?' }).click()
    const form = page.getByRole('form', { name: 'Question' })
    for (const [name, text] of [['User', 'ann'], ['Resource', 'task'], ['Action', 'inspect']] as const) await form.getByLabel(name, { exact: true }).fill(text)
    await form.getByRole('button', { name: 'Ask why' }).click()
    await page.getByRole('list', { name: 'What would make it a yes' }).waitFor()
    await page.getByRole('button', { name: 'Copy curl' }).click()
    await page.getByLabel('Lines').waitFor()
    await check('Why? with an answer')

    await page.getByRole('link', { name: 'Routes' }).click()
    await page.getByLabel('Who may call it? User').fill('otto')
    await page.getByRole('columnheader', { name: 'May otto call it?' }).waitFor()
    await check('Routes')

    await page.getByRole('link', { name: 'Policy' }).click()
    await page.getByLabel('User, or instance').fill('ann')
    await page.getByRole('region', { name: 'Graph of facts' }).waitFor()
    await check('Policy')

    await page.getByRole('link', { name: 'Health' }).click()
    await page.getByRole('img', { name: /Checks/ }).waitFor()
    await check('Health')
    t.same(problems, [])
    await page.close()
  }
})

t.test('the routes show what protects each, and axe finds nothing', async t => {
  const app = await start(t, true)
  const page = await browser.newPage({ bypassCSP: true })
  const problems = await opened(page, app)
  await page.getByRole('link', { name: 'Routes' }).click()
  const rows = page.locator('tbody tr')
  await rows.nth(2).waitFor()
  t.match(await rows.allInnerTexts(), [/_permit.*public, as declared/s, /_permit/, /GET\s+\/tasks\/:id\s+guarded\s+task:read\s+task:\{id\}/])
  await page.getByLabel('Search').fill('task:READ')
  await page.getByText('1 of 3 routes').waitFor()
  await page.getByText('Permissions of the policy that no route requires: task:inspect').waitFor()
  for (const [user, call] of [['ann', '✓ yes'], ['otto', '✗ no']] as const) {
    await page.getByLabel('Who may call it? User').fill(user)
    await page.getByRole('columnheader', { name: `May ${user} call it?` }).waitFor()
    await page.getByRole('cell', { name: call }).waitFor()
  }
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
  const { violations } = await page.evaluate('axe.run()') as { violations: Array<{ id: string }> }
  t.same(violations.map(({ id }) => id), [])
  await page.getByRole('link', { name: 'Decisions' }).click()
  await page.getByText('No decision yet').waitFor()
  t.same(problems, [])
})

t.test('the charts of health show the cache, the queue, batches and each replica, and axe finds nothing', async t => {
  const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'ann' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { pdp: pdp.url, token: pdp.token, inspector: true, user: () => 'ann' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const page = await browser.newPage({ bypassCSP: true, viewport: { width: 320, height: 900 }, colorScheme: 'dark' })
  const problems = await opened(page, { url: app.listeningOrigin } as Watched)
  await Promise.all(['ann', 'eve'].map(user => app.permit.check(user, 'read', 'task')))
  for (let i = 0; i < 2; i++) await app.permit.check('ann', 'read', 'task')
  await page.getByRole('link', { name: 'Health' }).click()
  await page.getByRole('img', { name: /Cache hits: now 50 %/ }).waitFor()
  await page.getByRole('img', { name: /Queue: now 0 waiting/ }).waitFor()
  await page.getByRole('img', { name: /Batches: now 2 checks each/ }).waitFor()
  await page.getByRole('img', { name: /PDP http.*: now latency [\d.]+ ms; highest/ }).waitFor()
  await page.getByText('breaker closed, 0 in flight').waitFor()
  await page.getByRole('img', { name: /Checks: now allowed [\d.]+ \/s, denied [\d.]+ \/s, no decision 0 \/s/ }).waitFor()
  t.ok(await page.locator('figure path').count() > 6, 'lines are drawn')
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
  const { violations } = await page.evaluate('axe.run()') as { violations: Array<{ id: string }> }
  t.same(violations.map(({ id }) => id), [])
  t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
  t.same(problems, [])
})

t.test('a policy with 50 types and 10,000 users is shown one type and one fact at a time, found by search, and axe finds nothing', async t => {
  const types = Array.from({ length: 50 }, (_, index) => [`type${index}`, {
    actions: { read: {}, write: {} },
    roles: { owner: { permissions: ['write'], ...(index === 0 ? {} : { granted_to: { users_with_role: [{ role: 'owner', on_resource: `type${index - 1}`, linked_by_relation: 'parent' }] } }) } },
    ...(index === 0 ? {} : { relations: { parent: `type${index - 1}` } })
  }])
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, {
    inspector: true,
    user: () => 'ann',
    policy: {
      resources: Object.fromEntries(types),
      roles: { reader: { permissions: ['type7:read'] } },
      users: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`user${index}`, {}])),
      role_assignments: [{ user: 'user9999', role: 'reader' }, { user: 'user9999', role: 'owner', resource_instance: 'type6:a' }],
      relationship_tuples: [{ subject: 'type6:a', relation: 'parent', object: 'type7:b' }]
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const page = await browser.newPage({ bypassCSP: true, viewport: { width: 320, height: 900 } })
  const problems = await opened(page, { url: app.listeningOrigin } as Watched)
  await page.getByRole('link', { name: 'Policy' }).click()
  await page.getByText('50 of 50 types').waitFor()
  await page.getByLabel('Search types').fill('TYPE7')
  await page.getByText('1 of 50 types').waitFor()
  await page.getByRole('button', { name: 'type7' }).click()
  const rows = page.getByRole('region', { name: 'Matrix of roles' }).locator('tbody tr')
  t.match(await rows.allInnerTexts(), [/reader\s+✓ yes\s+–/, /owner on a type7\s+–\s+✓ yes/])
  const graph = page.getByRole('region', { name: 'Graph of types' })
  t.match(await graph.getByRole('listitem').allInnerTexts(), [/type6\s+is parent; owner gives owner/, /type8\s+is parent/])
  await graph.getByRole('button', { name: 'type6' }).press('Enter')
  await page.getByText('Who holds the permissions on type6').waitFor()

  await page.getByLabel('User, or instance').fill('user9999')
  const facts = page.getByRole('region', { name: 'Graph of facts' })
  await facts.waitFor()
  t.match(await facts.getByRole('listitem').allInnerTexts(), [/tenant default\s+role reader/, /type6:a\s+role owner/])
  await facts.getByRole('button', { name: 'type6:a' }).press('Enter')
  await facts.getByText('type7:b').waitFor()
  t.match(await facts.getByRole('listitem').allInnerTexts(), [/user9999\s+role owner/, /type7:b\s+parent/])
  t.ok(await page.locator('#known-facts option').count() <= 40)
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
  const { violations } = await page.evaluate('axe.run()') as { violations: Array<{ id: string }> }
  t.same(violations.map(({ id }) => id), [])
  t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
  t.same(problems, [])
})

t.test('the types of a policy are drawn with their links; each is a button, and names that look like HTML are text', async t => {
  const owner = (on: string, by: string) => ({ owner: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'owner', on_resource: on, linked_by_relation: by }] } } })
  const app = Fastify()
  t.teardown(() => app.close())
  const evil = HOSTILE.slice(0, 6)
  await app.register(permit, {
    inspector: true,
    user: () => 'ann',
    policy: {
      resources: {
        org: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } } },
        folder: { actions: { read: {} }, relations: { parent: 'folder', org: 'org' }, roles: owner('org', 'org') },
        document: { actions: { read: {} }, relations: { folder: 'folder' }, roles: owner('folder', 'folder') },
        lonely: { actions: { read: {} } }
      },
      users: Object.fromEntries(evil.map(key => [key, {}])),
      role_assignments: evil.map(user => ({ user, role: 'owner', resource_instance: 'org:1' }))
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const page = await browser.newPage({ bypassCSP: true, viewport: { width: 1_300, height: 900 } })
  const problems = await opened(page, { url: app.listeningOrigin } as Watched)
  await page.getByRole('link', { name: 'Policy' }).click()
  const drawing = page.getByRole('region', { name: 'Drawing of types' })
  await page.getByText('3 of 3 linked types').waitFor()
  t.same(await drawing.getByRole('button').allInnerTexts(), ['org', 'folder', 'document'])
  const left = async (name: string): Promise<number> => (await drawing.locator(`button[title=${name}]`).boundingBox())?.x ?? 0
  t.ok(await left('org') < await left('folder') && await left('folder') < await left('document'), 'what gives roles is on the left')
  t.same([await drawing.locator('path').count(), await drawing.locator('path.derives').count()], [3, 2])
  await drawing.getByRole('button', { name: 'document; folder is its folder, owner gives owner' }).press('Enter')
  await page.getByText('Who holds the permissions on document').waitFor()
  t.same(await drawing.locator('text').allTextContents(), ['folder'], 'the links of the chosen type have their words')
  await page.locator('select[name=range]').selectOption('next to it')
  await page.getByText('2 of 3 linked types').waitFor()
  t.same(await drawing.getByRole('button').allInnerTexts(), ['folder', 'document'])
  await page.getByRole('button', { name: 'lonely' }).click()
  await drawing.getByText('lonely is not linked to another type').waitFor()

  await page.getByLabel('User, or instance').fill('org:1')
  const facts = page.getByRole('region', { name: 'Graph of facts' })
  await facts.waitFor()
  t.same((await facts.getByRole('listitem').locator('button').allTextContents()).toSorted(), evil.toSorted())
  t.equal(await page.evaluate('window.owned'), undefined)
  t.equal(await page.locator('script:not([src]), iframe, img, .graph svg *:not(line)').count(), 0)
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
  const { violations } = await page.evaluate('axe.run()') as { violations: Array<{ id: string }> }
  t.same(violations.map(({ id }) => id), [])
  t.same(problems, [])
})

// What a policy allows as a key of a type or a relation, and what as a key of a user, an instance or a tenant.
const word = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '-', '0', 'x'.repeat(2_000)), fc.stringMatching(/^[A-Za-z0-9_-]{1,30}$/))
const anyKey = fc.oneof(fc.constantFrom(...HOSTILE, 'tenant of the keys', 'x'.repeat(500)), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }))
  .filter(key => key.trim() === key && key !== '')
const words = (least: number) => fc.uniqueArray(word, { minLength: least, maxLength: 12 })
const keys = fc.uniqueArray(anyKey, { minLength: 1, maxLength: 12 })

t.test('whatever types, relations, users and tenants are called, the drawings show each as text, none is lost, and nothing runs', async t => {
  await fc.assert(fc.asyncProperty(words(3), words(1), keys, keys, async (types, relations, users, tenants) => {
    const [first, ...others] = types as [string, ...string[]]
    const app = Fastify()
    try {
      await app.register(permit, {
        inspector: true,
        user: () => 'ann',
        policy: {
          resources: Object.fromEntries([[first, { actions: { read: {} }, roles: { owner: { permissions: ['read'] } } }], ...others.map(type => [type, {
            actions: { read: {} },
            relations: Object.fromEntries(relations.map(relation => [relation, first])),
            roles: { owner: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'owner', on_resource: first, linked_by_relation: relations[0] }] } } }
          }])]),
          roles: { reader: { permissions: [`${first}:read`] } },
          tenants: Object.fromEntries(tenants.map(key => [key, {}])),
          users: Object.fromEntries(users.map(key => [key, {}])),
          role_assignments: [
            ...users.map(user => ({ user, role: 'owner', resource_instance: `${first}:1` })),
            ...tenants.map(tenant => ({ user: users[0], role: 'reader', tenant }))
          ]
        } as never
      })
      await app.listen({ port: 0, host: '127.0.0.1' })
      const page = await browser.newPage({ viewport: { width: 1_300, height: 900 } })
      const problems = await opened(page, { url: app.listeningOrigin } as Watched)
      await page.getByRole('link', { name: 'Policy' }).click()
      await page.getByText(`${types.length} of ${types.length} linked types`).waitFor()
      const drawing = page.getByRole('region', { name: 'Drawing of types' })
      const texts = await drawing.locator('button').allTextContents()
      const sizes = await drawing.locator('button').evaluateAll(buttons => buttons.map(button => (button as unknown as { offsetWidth: number }).offsetWidth))
      const labels = await drawing.locator('text').allTextContents()
      const lines = await drawing.locator('path').count()
      await page.getByLabel('User, or instance').fill(`${first}:1`)
      const facts = page.getByRole('region', { name: 'Graph of facts' })
      await facts.waitFor()
      const holders = await facts.locator('li button').allTextContents()
      await facts.locator('li button').nth(holders.indexOf(users[0] as string)).click()
      await facts.getByText('role reader').first().waitFor()
      const places = await facts.locator('li button').allTextContents()
      const made = await page.evaluate('window.owned')
      const strange = await page.locator('script:not([src]), iframe, img, .graph svg *:not(line), .drawing svg *:not(g, path, circle, text)').count()
      await page.close()
      const same = (name: string, found: readonly unknown[], wanted: readonly unknown[]): void => {
        if (JSON.stringify(found.toSorted()) !== JSON.stringify(wanted.toSorted())) throw new Error(`${name}: ${JSON.stringify(found)}`)
      }
      same('types', texts, types)
      same('links', [lines], [others.length * relations.length])
      same('boxes', [...new Set(sizes)], [150])
      if (labels.some(label => label.length > 25)) throw new Error(`labels: ${labels.join()}`)
      same('users', holders, users)
      same('tenants', places, [...tenants.map(tenant => `tenant ${tenant}`), `${first}:1`])
      same('problems', [made, strange, ...problems], [undefined, 0])
    } finally {
      await app.close()
    }
  }), {
    numRuns: 2,
    examples: [[['constructor', '__proto__', 'toString', 'x'.repeat(2_000)], ['__proto__', 'y'.repeat(2_000)], [...HOSTILE, 'tenant of the keys'], HOSTILE]]
  })
  t.pass('in each world')
})

t.test('the drawing has a bound: of a hub with 300 types around it and six links to each, the nearest types and 1,000 links are drawn', async t => {
  const relations = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`by${index}`, 'hub']))
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, {
    inspector: true,
    user: () => 'ann',
    policy: { resources: Object.fromEntries([['hub', { actions: { read: {} } }], ...Array.from({ length: 300 }, (_, index) => [`type${index}`, { actions: { read: {} }, relations }])]) }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const page = await browser.newPage({ viewport: { width: 1_300, height: 900 } })
  const problems = await opened(page, { url: app.listeningOrigin } as Watched)
  await page.getByRole('link', { name: 'Policy' }).click()
  const drawing = page.getByRole('region', { name: 'Drawing of types' })
  for (const range of ['two steps around it', 'all linked types', 'next to it']) {
    await page.locator('select[name=range]').selectOption(range)
    await page.getByText('200 of 301 linked types, 1000 of 1194 links').waitFor()
    t.same([await drawing.locator('button').count(), await drawing.locator('path').count()], [200, 1_000], range)
  }
  t.match(await drawing.locator('button[title=type0]').getAttribute('aria-label'), /^type0; hub is its by0; .*hub is its by5$/)
  t.same(problems, [])
})

t.test('over a PDP, Permit\'s or one of AuthZEN, an answer has the reason that the PDP gives, and the page says what cannot be known', async t => {
  const permitPdp = await pdpFor(t, { decide: () => false })
  const authzenPdp = await authzenPdpFor(t, { decide: () => ({ decision: false, context: { reason: `no ${HOSTILE[1]}` } }) })
  const ways = [[{ pdp: permitPdp.url, token: permitPdp.token }, /\w+ \w+/], [{ pdp: authzenPdp.url, protocol: 'authzen' }, 'no <img src=x']] as const
  for (const [options, reason] of ways) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(permit, { ...options, inspector: true, user: () => 'ann' })
    app.get('/tasks', { config: { permit: 'task:read' } }, async () => '')
    await app.listen({ port: 0, host: '127.0.0.1' })
    const page = await browser.newPage({ viewport: { width: 1_300, height: 900 } })
    const problems = await opened(page, { url: app.listeningOrigin } as Watched)
    await page.getByRole('link', { name: 'Why?' }).click()
    const form = page.getByRole('form', { name: 'Question' })
    for (const [name, text] of [['User', 'ann'], ['Action', 'read'], ['Resource', 'task:1']] as const) await form.getByLabel(name, { exact: true }).fill(text)
    await form.getByRole('button', { name: 'Ask why' }).click()
    const tree = page.getByRole('list', { name: 'Why', exact: true })
    await tree.waitFor()
    t.match(await tree.innerText(), /ann may not read task:1 in default/)
    t.match(await tree.getByRole('listitem').nth(1).innerText(), reason)
    await page.getByText('What would make it a yes is not known here').waitFor()
    await page.getByRole('link', { name: 'Routes' }).click()
    await page.getByText('Who may call a route, and which permissions no route requires, is not known here').waitFor()
    await page.getByRole('cell', { name: '/tasks', exact: true }).waitFor()
    await page.getByRole('link', { name: 'Policy' }).click()
    await page.getByText('A PDP over the network does not tell its policy.').waitFor()
    t.equal(await page.evaluate('window.owned'), undefined)
    t.equal(await page.locator('img').count(), 0)
    t.same(problems, [])
    await page.close()
  }
})

t.test('the page stays small', async t => {
  const files = await Promise.all(['page.js', 'page.css'].map(name => readFile(built(`inspector/${name}`))))
  t.ok(files.reduce((sum, file) => sum + gzipSync(file).length, 0) < 120_000)
})
