// The pages that people look things up in: their snippets run, and their tables are complete.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { TSchema } from 'typebox'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { parse } from 'yaml'
import { PolicySchema } from '../../src/engine/policy/policy.js'
import { AppPermit } from '../../src/fastify/fastify-permit.js'
import { Permit } from '../../src/app/app-permit.js'
import { RequestPermit } from '../../src/app/request-permit.js'
import * as errors from '../../src/contract/errors.js'
import permit, { type Annotation } from '../../src/index.js'
import { OptionsSchema } from '../../src/app/options/schema.js'
import { fastifyFor, guardedApp } from '../support/app.js'
import { appOfSnippet, code, documentOf, folderWith, readmePolicy, root, snippetsOf, tableIn } from '../support/documents.js'
import '../support/loader.js'

const as = (name: string) => ({ headers: { 'x-user': `${name}@example.com` } })

/** What the first TypeScript snippet of each page has to do. */
const EFFECTS: Readonly<Record<string, (t: Test, text: string) => Promise<void>>> = {
  annotations: async (t, text) => {
    const app = await appOfSnippet(t, text)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('ada') })).statusCode, 200)
    t.equal((await app.inject({ method: 'POST', url: '/tasks', ...as('victor') })).statusCode, 403)
    t.equal((await app.inject({ method: 'POST', url: '/tasks' })).statusCode, 401)
  },

  'request-and-app': async (t, text) => {
    const app = await appOfSnippet(t, text)
    t.same((await app.inject({ url: '/tasks', ...as('victor') })).json(), [{ id: '1', tenant: 'default', title: 'Write the README' }])
    t.same((await app.inject({ url: '/tasks', ...as('noel') })).json(), [])
    t.equal((await app.inject('/tasks')).statusCode, 401)
    const shown = snippetsOf(await documentOf('docs/request-and-app.md')).find(({ language }) => language === 'json')?.text as string
    t.same((await app.inject({ url: '/menu', ...as('victor') })).json(), JSON.parse(shown))
  },

  writes: async (t, text) => {
    const app = await appOfSnippet(t, text)
    t.equal(await app.permit.check('john@smith.com', 'create', 'task'), true)
    t.equal(await app.permit.check('john@smith.com', 'create', { type: 'task', tenant: 'cool_company_inc' }), false)
    t.equal(await app.permit.check('john@smith.com', 'retrieve', { type: 'task', tenant: 'cool_company_inc' }), true)
  },

  errors: async (t, text) => {
    const app = await appOfSnippet(t, text)
    const refused = await app.inject({ method: 'DELETE', url: '/tasks/1', ...as('victor') })
    t.equal(refused.statusCode, 404)
    t.same(refused.json(), { message: 'Not found' })
    t.equal((await app.inject({ method: 'DELETE', url: '/tasks/1', ...as('ada') })).body, 'deleted')
    t.equal((await app.inject({ method: 'DELETE', url: '/tasks/1' })).statusCode, 401)
  }
}

for (const [page, effect] of Object.entries(EFFECTS)) {
  t.test(`the snippet of docs/${page}.md does what the page says`, async t => {
    const snippets = snippetsOf(await documentOf(`docs/${page}.md`)).filter(({ language }) => language === 'ts')
    t.equal(snippets.length, 1, 'each snippet has an effect that is tested')
    await effect(t, snippets[0]?.text as string)
  })
}

const annotationsPage = await documentOf('docs/annotations.md')
const facesPage = await documentOf('docs/request-and-app.md')
const errorsPage = await documentOf('docs/errors.md')

function annotationTexts (): string[] {
  return tableIn(annotationsPage, '`config.permit`').map(([cell]) => code(cell as string)[0] as string)
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
  ['list task @default'],
  []
]

t.test('each annotation in the table sends the check in the table', async t => {
  const folder = await folderWith(t, { 'permit.yaml': await readmePolicy() })
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

t.test('the example in docs/embedded-pdp.md is decided as in its table', async t => {
  const document = await documentOf('docs/embedded-pdp.md')
  const app = fastifyFor(t)
  await app.register(permit, { policy: parse(snippetsOf(document).find(({ language }) => language === 'yaml')?.text as string) })
  const rows = tableIn(document, '`app.permit.check(…)`')
  t.equal(rows.length, 6)
  for (const [question = '', answer] of rows) {
    const [user, action, resource] = JSON.parse(`[${code(question)[0]?.replaceAll("'", '"')}]`) as [string, string, string]
    t.equal(await app.permit.check(user, action, resource), answer === 'yes', question)
  }
  t.same(tableIn(document, 'Block').flatMap(([cell]) => code(cell as string)).sort(), Object.keys(PolicySchema.properties).sort())
})

t.test('the files and rooms that docs/architecture.md and CONTRIBUTING.md name exist, and no room is missing', async t => {
  const architecture = await documentOf('docs/architecture.md')
  const files = (await Promise.all(['src', 'test', 'scripts'].map(folder => readdir(join(root, folder), { recursive: true })))).flat()
  const lines = [architecture, await documentOf('CONTRIBUTING.md')].join('\n').split('\n')
  const named = lines.flatMap(code).filter(name => /^[\w./-]+\.[jt]s$/.test(name))
  t.ok(named.length > 50)
  // A row names the folder of its first file only, and an import names what a file is compiled to.
  const paths = files.flatMap(file => [`/src/${file}`, `/test/${file}`, `/scripts/${file}`])
  const isKnown = (name: string) => paths.some(path => path.endsWith(`/${name}`) || path.endsWith(`/${name.replace(/js$/, 'ts')}`))
  t.same(named.filter(name => !isKnown(name)), [])
  const rooms = tableIn(architecture, '`src/…`').flatMap(([cell]) => code(cell as string)).map(room => room.slice(0, -1))
  const entries = await readdir(join(root, 'src'), { withFileTypes: true })
  t.same(rooms.sort(), entries.filter(entry => entry.isDirectory()).map(({ name }) => name).sort())
})

t.test('the table of options is generated from the schema', async t => {
  const options = await documentOf('docs/options.md')
  const head = '| Option | What | Expected | Default |\n| --- | --- | --- | --- |\n'
  const start = options.indexOf(head) + head.length
  const end = options.indexOf('\n\n', start)
  const rows = optionRows(OptionsSchema.properties).join('\n')
  // `npx tap --snapshot test/docs/reference.test.ts` writes the table anew.
  if (process.env.TAP_SNAPSHOT === '1') await writeFile(join(root, 'docs/options.md'), options.slice(0, start) + rows + options.slice(end))
  else t.equal(options.slice(start, end), rows)
})

t.test('the comment of an option names the same default as its schema', async t => {
  const source = ts.createSourceFile('schema.ts', await readFile(join(root, 'src/app/options/schema.ts'), 'utf8'), ts.ScriptTarget.Latest, true)
  let compared = 0
  const visit = (node: ts.Node): void => {
    const tag = ts.isPropertyAssignment(node) ? ts.getJSDocTags(node).find(({ tagName }) => tagName.text === 'defaultValue') : undefined
    const value = tag === undefined ? undefined : /\bdefault: ([\d_]+|true|false|'[^']*')/.exec(node.getText(source))?.[1]
    if (value !== undefined) {
      compared++
      t.equal(String(tag?.comment).replaceAll('`', ''), value.replaceAll('_', '').replaceAll("'", ''), (node as ts.PropertyAssignment).name.getText(source))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  t.ok(compared > 10)
})

t.test('the comment of an option begins with the description of its schema', async t => {
  const descriptions = new Map(optionRows(OptionsSchema.properties).map(row => {
    const [option = '', description = ''] = row.slice(2).split(' | ')
    return [/(\w+)`$/.exec(option)?.[1] as string, withoutLinks(description)]
  }))
  const compared = new Set<string>()
  for (const file of ['app/options/schema.ts', 'observe/telemetry-options.ts', 'pdp/http/breaker.ts', 'pdp/http/hedging.ts']) {
    const source = ts.createSourceFile(file, await readFile(join(root, 'src', file), 'utf8'), ts.ScriptTarget.Latest, true)
    const visit = (node: ts.Node): void => {
      const comment = ts.isPropertyAssignment(node) || ts.isPropertySignature(node) ? ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc) : undefined
      if (comment !== undefined) {
        const name = (node as ts.PropertyAssignment).name.getText(source)
        const text = String(ts.getTextOfJSDocComment(comment.comment)).replace(/\s+/g, ' ')
        const description = withoutLinks(ownDescription((node as ts.PropertyAssignment).initializer) ?? descriptions.get(name) as string)
        t.equal(text.slice(0, description.length), description, `${file}: ${name}`)
        compared.add(name)
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  t.same([...descriptions.keys()].filter(name => !compared.has(name)), ['file'], 'only the file of a token has its comment at the option')
})

t.test('each option has a description, and says what it expects', async t => {
  for (const row of optionRows(OptionsSchema.properties)) t.notMatch(row, 'undefined |', row)
})

/** The description in the code of an option's schema; undefined if it is elsewhere. That of the option itself comes before those within. */
function ownDescription (schema: ts.Node | undefined): string | undefined {
  const nodes = schema === undefined ? [] : [schema]
  for (const node of nodes) {
    if (ts.isPropertyAssignment(node) && node.name.getText() === 'description') return textOf(node.initializer)
    ts.forEachChild(node, child => { nodes.push(child) })
  }
  return undefined
}

function textOf (node: ts.Expression): string {
  return ts.isBinaryExpression(node) ? textOf(node.left) + textOf(node.right) : (node as ts.StringLiteral).text
}

function withoutLinks (markdown: string): string {
  return markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
}

function optionRows (properties: Readonly<Record<string, TSchema>>, prefix = ''): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const { description, expected, shownDefault, default: value, anyOf = [] } =
      schema as { description?: string, expected?: string, shownDefault?: string, default?: unknown, anyOf?: Array<{ properties?: Record<string, TSchema> }> }
    const cells = [`\`${prefix}${name}\``, description, expected, shownDefault ?? (value === undefined ? '–' : `\`${JSON.stringify(value)}\``)]
    const inner = anyOf.flatMap(branch => optionRows(branch.properties ?? {}, `${prefix}${name}.`))
    return [`| ${cells.map(cell => String(cell).replaceAll('|', '\\|')).join(' | ')} |`, ...inner]
  })
}

t.test('the tables of request.permit and app.permit list every method', async t => {
  const methodsOf = (...faces: object[]) => faces.flatMap(face => Object.getOwnPropertyNames(face)).filter(name => name !== 'constructor').sort()
  const named = (heading: string) => tableIn(facesPage, heading).flatMap(([cell]) => code(cell as string)).map(text => text.replace(/\(.*/, '')).sort()
  t.same(named('`request.permit`'), methodsOf(RequestPermit.prototype))
  t.same(named('`app.permit`'), methodsOf(AppPermit.prototype, Permit.prototype))
})

t.test('the table of errors has the codes and statuses of the errors', async t => {
  const rows = tableIn(errorsPage, 'What happened')
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
