// The examples of docs/commands.md print what the page says.
import { access, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseExpectations } from '../../src/cli/testing/expectations.js'
import { permit, words } from './in-process.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = await readFile(join(root, 'docs/commands.md'), 'utf8')
const examples = [...page.matchAll(/^```sh\nnpx fastify-permit (.+)\n```\n\n```text\n([^]*?)\n```$/gm)]

const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-docs-'))
const before = process.cwd()
t.teardown(async () => {
  process.chdir(before)
  await rm(folder, { recursive: true, force: true })
})
for (const name of ['permit.yaml', 'permit.test.yaml']) await cp(join(root, 'example-app', name), join(folder, name))
const [, documents = ''] = /```yaml\n([^]*?)```/.exec(await readFile(join(root, 'docs/embedded-pdp.md'), 'utf8')) ?? []
await writeFile(join(folder, 'documents.yaml'), documents)
const [, lists = ''] = /```yaml\n(# documents.test.yaml\n[^]*?)```/.exec(page) ?? []
await writeFile(join(folder, 'documents.test.yaml'), lists)
const policy = await readFile(join(folder, 'permit.yaml'), 'utf8')
await writeFile(join(folder, 'wrong.yaml'), policy.replace("['task:retrieve', 'task:list']", "['task:retrieve', 'task:list', 'task:delete']"))
process.chdir(folder)

t.test('each command has an example, and each example is tried', async t => {
  const tried = new Set(examples.map(([, line = '']) => line.split(' ')[0]))
  t.same([...tried].sort(), ['check', 'explain', 'matrix', 'plan', 'test'])
  t.equal(examples.length, [...page.matchAll(/^```sh$/gm)].length)
})

for (const [, line = '', output = ''] of examples) {
  t.test(line, async t => {
    const { out, err } = await permit(words(line))
    t.equal(out, output)
    t.equal(err, '')
  })
}

t.test('the test files on the page can be read', async t => {
  const files = [...page.matchAll(/```yaml\n([^]*?)```/g)]
  t.same(files.map(([, text = '']) => parseExpectations(text, 'page').expectations.length), [14, 3, 1])
})

t.test('the links on the page work', async t => {
  const anchors = new Set([...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => `#${heading.toLowerCase().replaceAll(/[^\w\s-]/g, '').replaceAll(/\s/g, '-')}`))
  for (const [, target = ''] of page.matchAll(/\]\(([^)]+)\)/g)) {
    if (target.startsWith('#')) t.ok(anchors.has(target), target)
    else await t.resolves(access(join(root, 'docs', target.replace(/#.*/, ''))), target)
  }
})
