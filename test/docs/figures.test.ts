// The figures in the pages are those of the committed results, and every section of a page has a writer.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PAGES, SECTIONS, withFigures } from '../../bench/pages.js'
import type { Results } from '../../bench/run.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const results = JSON.parse(await readFile(join(root, 'bench/results.json'), 'utf8')) as Results
const pages = new Map(await Promise.all(PAGES.map(async page => [page, await readFile(join(root, page), 'utf8')] as const)))

t.test('the pages say what the results of the benchmark say; npm run bench -- --write corrects them', async t => {
  for (const [page, text] of pages) t.equal(withFigures(text, results), text, page)
})

t.test('each section is on a page, and each page has one', async t => {
  const named = [...pages.values()].map(text => [...text.matchAll(/<!-- bench: (?!end\b)([\w ]+?) -->/g)].map(([, name]) => name))
  t.same([...new Set(named.flat())].sort(), Object.keys(SECTIONS).sort())
  t.ok(named.every(names => names.length > 0))
})

t.test('a figure that changes in the results changes on the page', async t => {
  const faster: Results = { ...results, guards: results.guards.map(guard => ({ ...guard, nanoseconds: 7 })) }
  const page = pages.get('docs/hot-path.md') ?? ''
  t.match(withFigures(page, faster), /\| hit: template \| 7 \|/)
  t.notMatch(page, /\| hit: template \| 7 \|/)
})

t.test('results without a part leave its section as it is', async t => {
  const { loading: _loading, start: _start, ...less } = results
  const page = '<!-- bench: loading -->\nas before\n<!-- bench: end -->\n<!-- bench: start -->\nas before\n<!-- bench: end -->\n'
  t.equal(withFigures(page, less), page)
})

t.test('a section that nobody writes is a mistake', async t => {
  t.throws(() => withFigures('<!-- bench: nothing -->\n<!-- bench: end -->', results), /no section "nothing"/)
})
