// Every snippet of every page compiles, in the one place where a compiler is started for them: that takes longer than to run them all.
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { permit } from '../cli/in-process.js'
import { built } from '../support/built.js'
import { remembering } from '../support/compiler-host.js'
import { code, documentOf, folderWith, pages, root, snippetsOf, sourcesOf, tableIn } from '../support/documents.js'
import '../support/loader.js'

// As a reader's compiler sees the package: as it was built. From the sources it would take several times as long.
built('index.d.ts')

const readme = await documentOf('README.md')
const policy = snippetsOf(readme).find(({ language }) => language === 'yaml')?.text as string

/** Those of this project, but for where the package is. */
const OPTIONS = optionsOf(join(root, 'tsconfig.json'))

/** What all programs have in common is read once. */
const HOST = remembering(ts.createCompilerHost(OPTIONS))

function optionsOf (file: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(file, ts.sys.readFile) as { config: { compilerOptions: object } }
  return ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, paths: {} }, root).options
}

/** What the compiler says of all these pages together. */
async function complaints (pages: Readonly<Record<string, Readonly<Record<string, string>>>>): Promise<string[]> {
  const files: Record<string, string> = {}
  for (const [page, sources] of Object.entries(pages)) for (const [name, text] of Object.entries(sources)) files[`${page}/${name}`] = text
  const folder = await folderWith(t, files)
  const program = ts.createProgram(Object.keys(files).map(name => join(folder, name)), OPTIONS, HOST)
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1
    return `${file?.fileName.slice(folder.length + 1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}

/**
 * Which pages are compiled together. What a snippet declares for everybody may not help those of other pages to compile, and a
 * declared policy makes every word another type.
 */
const groupOf = (files: Readonly<Record<string, string>>): string => {
  const text = Object.values(files).join('\n')
  return /^declare namespace /m.test(text) ? 'declare a policy' : /^declare /m.test(text) ? 'add to the types of others' : 'declare nothing for everybody'
}

const sources = Object.fromEntries(await Promise.all((await pages()).map(async page => [join(dirname(page), basename(page, '.md')), await sourcesOf(page)] as const)))
const [first] = Object.keys(sources)
sources[first as string] = {
  ...sources[first as string],
  'annotations.ts': `import type { Annotation } from 'fastify-permit'\nexport const annotations: Annotation[] = [\n${tableIn(await documentOf('docs/annotations.md'), '`config.permit`').map(([cell = '']) => code(cell)[0]).join(',\n')}\n]\n`
}
// The page of all recipes starts the app of any of them.
const { 'app.ts': anyApp = '' } = sources['docs/recipes/jwt'] ?? {}

for (const group of new Set(Object.values(sources).map(groupOf))) {
  t.test(`the snippets of pages that ${group} have no type errors`, async t => {
    const pages = Object.entries(sources).filter(([, files]) => groupOf(files) === group)
    const { 'docs/recipes/README': recipes, ...others } = Object.fromEntries(pages)
    t.same(await complaints({ ...others, ...recipes === undefined ? {} : { 'docs/recipes/README': { 'app.ts': anyApp, ...recipes } } }), [])
  })
}

t.test('the examples in the comments of public functions, options and types have no type errors', async t => {
  const examples: Record<string, Record<string, string>> = {}
  for (const name of await readdir(join(root, 'src'), { recursive: true })) {
    if (!name.endsWith('.ts')) continue
    const text = await readFile(join(root, 'src', name), 'utf8')
    const found = [...text.matchAll(/^ *\* @example\n *\* ```ts\n([^]*?)^ *\* ```$/gm)].map(([, lines = '']) => lines.replace(/^ *\* ?/gm, ''))
    t.equal(found.length, [...text.matchAll(/^ *\* @example$/gm)].length, `each example of ${name} is a block of TypeScript`)
    if (found.length > 0) examples[name.replace(/\.ts$/, '')] = Object.fromEntries(found.map((example, index) => [`${index}.ts`, example]))
  }
  t.ok(Object.keys(examples).length > 3)
  t.same(await complaints(examples), [])
})

t.test('every function and constant that an entry exports has an example, errors excepted', async t => {
  const { exports } = JSON.parse(await documentOf('package.json')) as { exports: Record<string, string | { types: string }> }
  let compared = 0
  for (const entry of Object.values(exports)) {
    if (typeof entry === 'string') continue
    const file = join('src', entry.types.replace('./dist/', '').replace(/\.d\.ts$/, '.ts'))
    for (const [name, node] of await exportedFrom(file)) {
      if (/Error$/.test(name)) continue
      compared++
      t.ok(node !== undefined && ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'example'), `${file}: ${name}`)
    }
  }
  t.ok(compared > 15)
})

/** The values that a source file exports, with their declarations; that of an overloaded function is its first. */
async function exportedFrom (file: string): Promise<Map<string, ts.Node | undefined>> {
  const source = ts.createSourceFile(file, await documentOf(file), ts.ScriptTarget.Latest, true)
  const found = new Map<string, ts.Node | undefined>()
  const add = (name: string, node: ts.Node | undefined): void => { if (!found.has(name)) found.set(name, node) }
  for (const node of source.statements) {
    if (ts.isExportDeclaration(node)) {
      if (node.isTypeOnly || node.moduleSpecifier === undefined) continue
      const from = await exportedFrom(join(dirname(file), (node.moduleSpecifier as ts.StringLiteral).text.replace(/\.js$/, '.ts')))
      if (node.exportClause === undefined) for (const [name, declaration] of from) add(name, declaration)
      else {
        for (const { isTypeOnly, name, propertyName } of (node.exportClause as ts.NamedExports).elements) {
          if (!isTypeOnly) add(name.text, from.get((propertyName ?? name).text))
        }
      }
    } else if (ts.isExportAssignment(node)) add('default', node)
    else if (ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true) {
      if (ts.isVariableStatement(node)) for (const { name } of node.declarationList.declarations) add(name.getText(source), node)
      else if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) add(node.name?.text ?? 'default', node)
    }
  }
  return found
}

t.test('every page is tested', async t => {
  const written = (await Promise.all((await pages()).map(documentOf))).join('\n')
  t.equal(Object.values(sources).flatMap(files => Object.keys(files)).length, [...written.matchAll(/^```ts$/gm)].length + 1)
})

// "The compiler … points at the very word when `satisfies Annotation` stands behind the annotation", and only then at a word too many.
const MISTAKES = `import Fastify from 'fastify'
import type { Annotation } from 'fastify-permit'
const app = Fastify()
app.get('/1', { config: { permit: { action: 'list', resource: 'task', tennant: 'x' } } }, async () => 1)
app.get('/2', { config: { permit: {
  action: 'list',
  resource: 'task',
  // @ts-expect-error
  tennant: 'x'
} satisfies Annotation } }, async () => 1)
// @ts-expect-error
app.get('/3', { config: { permit: { acton: 'list', resource: 'task' } } }, async () => 1)
// @ts-expect-error
app.get('/4', { permit: 'task:list' }, async () => 1)
`

t.test('a typo in an annotation does not compile, where docs/annotations.md says so', async t => {
  t.same(await complaints({ page: { 'mistakes.ts': MISTAKES } }), [])
})

t.test('an error in a snippet is found', async t => {
  t.match(await complaints({ page: { 'app.ts': "import Fastify from 'fastify'\nimport permit from 'fastify-permit'\nawait Fastify().register(permit, { pdq: 'http://localhost' })\n" } }), [/^page\/app\.ts:3 .*pdq/s])
})

t.test('docs/typed-permissions.md shows the output of the command for the README\'s policy', async t => {
  const folder = await folderWith(t, { 'permit.yaml': policy })
  const { out } = await permit(['types', '--policy', join(folder, 'permit.yaml')])
  const withoutHead = (text = '') => text.trim().split('\n').slice(1)
  t.same(withoutHead(out), withoutHead(sources['docs/typed-permissions']?.['permit.d.ts']))
})
