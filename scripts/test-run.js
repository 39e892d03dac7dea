// Runs the tests for `npm test`, each file in its own process: compiled, from .test/ (scripts/test-tree.js), or as TypeScript with a loader
// if the test is about loading TypeScript. tap's own command starts two more loaders in each process, and in those that it starts, which
// takes longer than most tests. With arguments, it runs only these files and folders: `npm run test:run -- test/guard`. With `--checks`,
// it also builds the package and checks types and code: what needs one core of the processor runs beside the tests.
import { spawn } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { treeOf } from './test-tree.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const JOBS = 2
/** The most seconds for a file; TEST_TIMEOUT=1200 is for a machine that has much else to do. */
const TIMEOUT = Number(process.env.TEST_TIMEOUT ?? 600)
/** What a test imports that loads TypeScript in its own process. */
const NEEDS_LOADER = /^import '.*\/support\/loader\.js'$/m
/** What starts first, because it takes longest: at the end, one of the processors would have nothing to do. */
const LONGEST = [
  'server/bounds', 'package', 'environment/kill', 'environment/damage', 'cli/commands/pdp-command', 'environment/store', 'docs/types',
  'types/typed-permissions', 'environment/backup', 'example-app/process'
].map(name => `test/${name}.test.ts`)
/** What waits for deadlines most of the time, and runs beside the other jobs. */
const WAITING = ['faults/matrix', 'soak/soak'].map(name => `test/${name}.test.ts`)
/** How many files the summary lists. */
const SLOWEST = 15

/** What tap prints last. */
const TOTALS = /^# \{ total: (\d+)(?:, pass: (\d+))?/m

const wanted = process.argv.slice(2).filter(argument => argument !== '--checks')
const hasChecks = process.argv.includes('--checks')

let count = 0
let failed = 0
const totals = { total: 0, pass: 0 }
const costs = []
/** The processor time of processes that have ended. */
let counted = 0
const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of running) endGroup(child)
    process.exit(1)
  })
}

const start = performance.now()
console.log('TAP version 14')
await buildTap()
if (hasChecks) {
  await runAll([command('types', 'npm', ['run', '-s', 'typecheck']), command('build', 'npm', ['run', '-s', 'build'])])
  // Most tests would fail for the same reason.
  if (failed > 0) end()
}
const tree = await treeOf(root)
const files = (await Promise.all((wanted.length > 0 ? wanted : ['test']).map(testsIn))).flat()
const tests = await Promise.all(files.toSorted((a, b) => rank(a) - rank(b)).map(testOf))
await runAll(hasChecks ? [command('lint', 'npm', ['run', '-s', 'lint']), ...tests] : tests)
end()

/** The test files of a path: itself, or the files in the folder. */
async function testsIn (path) {
  if (!(await stat(join(root, path))).isDirectory()) return [path]
  const names = await readdir(join(root, path), { recursive: true })
  return names.filter(name => name.endsWith('.test.ts') && !name.includes('node_modules')).map(name => join(path, name)).sort()
}

function rank (file) {
  const index = LONGEST.indexOf(file)
  return index === -1 ? LONGEST.length : index
}

/** A job is a process, and what is wrong with what it did. */
async function testOf (file) {
  const [cwd, args] = NEEDS_LOADER.test(await readFile(join(root, file), 'utf8'))
    ? [root, ['--import=tsx', file]]
    : [tree, [file.replace(/\.ts$/, '.js')]]
  return {
    name: file,
    command: process.execPath,
    args,
    cwd,
    // The second is for versions of Node that can store compiled modules.
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(TIMEOUT), NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/modules') },
    problem ({ code, signal, output }) {
      const [, total = '0', pass = '0'] = TOTALS.exec(output.slice(output.lastIndexOf('\n# {') + 1)) ?? []
      totals.total += Number(total)
      totals.pass += Number(pass)
      if (code !== 0) return `it ended with ${signal ?? code}`
      return Number(total) > 0 ? undefined : 'it ended without an assertion'
    }
  }
}

function command (name, command, args) {
  const problem = ({ code, signal }) => code === 0 ? undefined : `it ended with ${signal ?? code}`
  return { name, command, args, cwd: root, env: process.env, problem }
}

async function runAll (jobs) {
  const waiting = jobs.filter(({ name }) => WAITING.includes(name))
  const others = jobs.filter(({ name }) => !WAITING.includes(name))
  await Promise.all([...Array.from({ length: JOBS }, () => others), waiting].map(async queue => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await run(job)
  }))
}

async function run (job) {
  const began = performance.now()
  const outcome = await outcomeOf(job)
  const seconds = (performance.now() - began) / 1_000
  costs.push({ name: job.name, seconds, processor: outcome.processor })
  const problem = job.problem(outcome)
  if (problem !== undefined) failed++
  console.log(`\n# Subtest: ${job.name}\n${outcome.output.trimEnd().replaceAll(/^(?=.)/gm, '    ')}`)
  if (problem !== undefined) console.log(`    # ${problem}`)
  console.log(`${problem === undefined ? 'ok' : 'not ok'} ${++count} - ${job.name} # time=${Math.round(seconds * 1_000)}ms`)
}

function outcomeOf ({ command, args, cwd, env }) {
  return new Promise((resolve, reject) => {
    // A group of its own, so that the processes that it started end with it.
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    running.add(child)
    let output = ''
    let processor
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', chunk => { output += chunk })
    // tap has the same limit, and says what it waited for; then the process has some seconds to end.
    const limit = setTimeout(() => endGroup(child), (TIMEOUT + 10) * 1_000)
    child.once('error', reject)
    child.once('exit', () => {
      processor = processorSince()
      running.delete(child)
    })
    child.once('close', (code, signal) => {
      clearTimeout(limit)
      resolve({ code, signal, output, processor })
    })
  })
}

function endGroup ({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** The processor time of the process that has just ended and of all that it waited for, in s; 0 if the system does not tell it. */
function processorSince () {
  if (process.platform !== 'linux') return 0
  const fields = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /, '').split(' ')
  // The times of children that have ended, in ticks of 10 ms.
  const all = (Number(fields[13]) + Number(fields[14])) / 100
  const own = all - counted
  counted = all
  return own
}

/** Creates the module that tests import as `tap`, with the plugins of package.json, unless it is there. */
async function buildTap () {
  const built = join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
  const plugins = await readFile(built, 'utf8').catch(() => undefined)
  if (plugins?.includes('@tapjs/typescript') !== false) await runAll([command('tap', join(root, 'node_modules/.bin/tap'), ['build'])])
}

function end () {
  console.log(`\n1..${count}\n# { total: ${totals.total}, pass: ${totals.pass} }`)
  const used = costs.reduce((sum, { processor }) => sum + processor, 0)
  const took = (performance.now() - start) / 1_000
  console.log(`# ${failed} of ${count} failed; ${took.toFixed()} s, ${used.toFixed()} s of processor time`)
  if (costs.length > SLOWEST) {
    console.log('# Slowest files, by processor time:')
    for (const { name, seconds, processor } of costs.sort((a, b) => b.processor - a.processor).slice(0, SLOWEST)) {
      console.log(`# ${processor.toFixed(1).padStart(7)} s, ${seconds.toFixed(1).padStart(6)} s in all  ${name}`)
    }
  }
  process.exit(failed === 0 ? 0 : 1)
}
