// Runs the tests for `npm test`, each file in its own process: compiled, from .test/ (scripts/test-tree.js), or as TypeScript with a loader
// if the test is about loading TypeScript. tap's own command starts two more loaders in each process, which takes longer than most tests.
// With arguments, it runs only these files and folders: `npm run test:run -- test/guard`.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { treeOf } from './test-tree.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const JOBS = 2
/** The most seconds for a file. */
const TIMEOUT = 120
/** A test that names a TypeScript file may load it, or start a process that does. */
const NEEDS_LOADER = /\.ts['"`]/

t.setTimeout(0)
t.jobs = JOBS

const wanted = process.argv.slice(2)
const tree = await treeOf(root)
const files = (await Promise.all((wanted.length > 0 ? wanted : ['test']).map(testsIn))).flat()

for (const file of files) {
  const [cwd, args] = NEEDS_LOADER.test(await readFile(join(root, file), 'utf8'))
    ? [root, ['--import=tsx', file]]
    : [tree, [file.replace(/\.ts$/, '.js')]]
  const env = { ...process.env, TAP_TIMEOUT: String(TIMEOUT) }
  t.spawn(process.execPath, args, { cwd, buffered: true, timeout: TIMEOUT * 1_000, env }, file)
}
await t.end()

/** The test files of a path: itself, or the files in the folder. */
async function testsIn (path) {
  if (!(await stat(join(root, path))).isDirectory()) return [path]
  const names = await readdir(join(root, path), { recursive: true })
  return names.filter(name => name.endsWith('.test.ts') && !name.includes('node_modules')).map(name => join(path, name)).sort()
}
