// Requests per second of a route that a real OpenFGA guards: by this package, and by OpenFGA's own SDK in a hook, on one server, in turns.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { load, processorTime, type Measured } from './as-it-is.js'
import { freePort } from './cerbos.js'
import { median } from './http.js'
import { QUESTIONS, tuples, type OpenfgaAppSettings } from './openfga-world.js'
import { start, stop } from './processes.js'

export interface OpenfgaRow {
  /** What is asked. */
  questions: string
  name: string
  requests: number
  p99: number
  /** Processor time of the app for a request, µs. */
  cpu: number
  /** Medians of the rounds: what this package has, against this one of the same round. */
  ratio: number
  p99Ratio: number
  cpuRatio: number
  /** The ratio of requests in the worst of the rounds. */
  worst: number
}

const SDK = '@openfga/sdk in a hook'
const CONNECTIONS = 64
const WARM_UP = 2
const AGAIN = 1_000

/** What is compared: how it is asked, by whom, and what OpenFGA is started with. */
const COMPARISONS = [
  { questions: 'no question twice', own: 'permit: no cache', different: QUESTIONS, flags: [] },
  // The SDK has no cache. OpenFGA's own is on, so that both may remember.
  { questions: `${AGAIN.toLocaleString('en-US')} questions again and again`, own: 'permit: warm cache', different: AGAIN, flags: ['--check-query-cache-enabled', '--check-query-cache-ttl', '1h'] }
]

/** Empty where there is no OpenFGA. */
export async function measureOpenfga (rounds: number, seconds: number, progress: (text: string) => void): Promise<OpenfgaRow[]> {
  const program = openfgaProgram()
  if (program === undefined) {
    progress('there is no OpenFGA, so its rows are left out: set OPENFGA to the path of the program, or run "npm run test:peers", which builds it')
    return []
  }
  const rows: OpenfgaRow[] = []
  for (const { questions, own, different, flags } of COMPARISONS) {
    const server = await startOpenfga(program, flags)
    try {
      const found: Record<string, Measured[]> = { [own]: [], [SDK]: [] }
      for (let round = 0; round < rounds; round++) {
        for (const variant of round % 2 === 0 ? [own, SDK] : [SDK, own]) {
          const measured = await measure({ variant, different, ...server.at }, seconds)
          found[variant]!.push(measured)
          progress(`OpenFGA, ${questions}, round ${round + 1} of ${rounds}: ${variant}: ${Math.round(measured.requests)} requests/s, p99 ${measured.p99} ms`)
        }
      }
      rows.push(...[own, SDK].map(name => rowOf(questions, name, found[own]!, found[name]!)))
    } finally {
      server.stop()
    }
  }
  return rows
}

/** The row of the SDK, which is compared with, where no question is asked twice, or where they are. */
export function besideSdk (rows: readonly OpenfgaRow[], twice: boolean): OpenfgaRow {
  return rows.find(({ name, questions }) => name === SDK && questions === COMPARISONS[twice ? 1 : 0]!.questions)!
}

export function openfgaTable (rows: readonly OpenfgaRow[]): void {
  console.table(rows.map(({ questions, name, requests, ratio, worst, p99, p99Ratio, cpu, cpuRatio }) => ({
    questions,
    name,
    'requests/s': Math.round(requests),
    'this package against it': Number(ratio.toFixed(2)),
    'worst round': Number(worst.toFixed(2)),
    'p99 ms': p99,
    'p99 against it': Number(p99Ratio.toFixed(2)),
    'processor µs': Number(cpu.toFixed(1)),
    'processor against it': Number(cpuRatio.toFixed(2))
  })))
}

function rowOf (questions: string, name: string, own: readonly Measured[], other: readonly Measured[]): OpenfgaRow {
  const of = (figure: (measured: Measured) => number) => median(other.map(figure))
  const ratios = (figure: (measured: Measured) => number) => own.map((one, round) => figure(one) / figure(other[round]!))
  const requests = ratios(measured => measured.requests)
  return {
    questions,
    name,
    requests: of(({ requests }) => requests),
    p99: of(({ p99 }) => p99),
    cpu: of(({ cpu }) => cpu),
    ratio: median(requests),
    p99Ratio: median(ratios(({ p99 }) => p99)),
    cpuRatio: median(ratios(({ cpu }) => cpu)),
    worst: Math.min(...requests)
  }
}

async function measure (settings: OpenfgaAppSettings, seconds: number): Promise<Measured> {
  const app = await start<{ port: number }>('./openfga-app.js', [JSON.stringify(settings)])
  try {
    await load(app.hello.port, WARM_UP, CONNECTIONS)
    const before = await processorTime(app.child)
    const { requests, p99, total } = await load(app.hello.port, seconds, CONNECTIONS)
    return { requests, p99, cpu: (await processorTime(app.child) - before) / total }
  } finally {
    stop(app.child)
  }
}

/** The program that `OPENFGA` names, or the one that `npm run test:peers` has built. */
function openfgaProgram (): string | undefined {
  const given = process.env['OPENFGA']
  if (given !== undefined && given !== '') return given
  const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
  if (!existsSync(cache)) return undefined
  return readdirSync(cache).filter(name => name.startsWith('openfga-')).map(name => `${cache}${name}/openfga`).find(file => existsSync(file))
}

/** An OpenFGA in memory, with a store of 20,000 tuples and the model of docs/openfga.md. */
async function startOpenfga (program: string, flags: readonly string[]) {
  const [http, grpc] = [await freePort(), await freePort()]
  const child = spawn(program, [
    'run', '--experimentals', 'authzen', '--http-addr', `127.0.0.1:${http}`, '--grpc-addr', `127.0.0.1:${grpc}`,
    '--playground-enabled=false', '--metrics-enabled=false', '--log-level', 'error', '--request-timeout', '60s', ...flags
  ], { stdio: ['ignore', 'ignore', 'inherit'] })
  const stopServer = () => { child.kill('SIGKILL') }
  process.once('exit', stopServer)
  const url = `http://127.0.0.1:${http}`
  await serves(child, `${url}/healthz`)
  const call = async (path: string, body: unknown): Promise<Record<string, string>> => {
    const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return await answer.json() as Record<string, string>
  }
  const { id: store = '' } = await call('/stores', { name: 'bench' })
  const text = readFileSync(new URL('../../example-app/openfga/model.json', import.meta.url), 'utf8')
  const { authorization_model_id: model = '' } = await call(`/stores/${store}/authorization-models`, JSON.parse(text))
  const all = tuples()
  for (let from = 0; from < all.length; from += 100) await call(`/stores/${store}/write`, { writes: { tuple_keys: all.slice(from, from + 100) } })
  return { at: { url, store, model }, stop: stopServer }
}

async function serves (child: ChildProcess, health: string): Promise<void> {
  while (!await fetch(health).then(answer => answer.ok, () => false)) {
    if (child.exitCode !== null) throw new Error('OpenFGA ended')
    await delay(50)
  }
}
