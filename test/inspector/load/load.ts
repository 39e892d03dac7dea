// `npm run inspector-load`: 1,000 decisions a second for ten seconds, without an inspector, with one that nobody looks at, with one whose
// stream is read, and with one in a real Chromium. In turns, because a machine is never the same twice: what counts is the median of the
// rounds, against the round without.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { browserFor } from '../../support/browser.js'

const VARIANTS = ['off', 'nobody looks', 'the stream is read', 'Chromium'] as const
type Variant = typeof VARIANTS[number]

interface Cost {
  /** Latencies, ms. */
  readonly p50: number
  readonly p99: number
  /** Processor time of the app, ms. */
  readonly cpu: number
  /** The 99th percentile of the delay of its event loop, ms. */
  readonly delay: number
}

/** What the page was like under the load. */
interface Felt {
  /** Tasks of more than 50 ms: how many, and the longest, ms. */
  readonly longTasks: number
  readonly longest: number
  /** From a click to the next frame that shows its effect, ms. */
  readonly clicks: readonly number[]
  readonly decisions: number
  readonly lost: number
}

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, rate: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '10' } }
})
const [rounds, rate, seconds] = [values.rounds, values.rate, values.seconds].map(Number) as [number, number, number]

const begun: ChildProcess[] = []

function program (file: string, ...args: ReadonlyArray<string | number>): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args.map(String), { execArgv: [] })
  begun.push(child)
  return child
}

async function told<T> (child: ChildProcess, message?: string): Promise<T> {
  const answer = once(child, 'message')
  if (message !== undefined) child.send(message)
  return (await answer)[0] as T
}

/** A client that reads the stream and does nothing with it. */
async function reader (port: number): Promise<() => void> {
  const asking = get({ port, host: '127.0.0.1', path: '/_permit/stream', headers: { host: `127.0.0.1:${port}`, connection: 'keep-alive' } })
  const [stream] = await once(asking, 'response')
  stream.on('error', () => {})
  stream.resume()
  return () => { asking.destroy() }
}

/** Counts long tasks from now on. */
const WATCH = `
  window.tasks = []
  new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })
`

/** Clicks Pause or Continue, and measures until the frame in which the button says the other word. */
const CLICK = `new Promise(resolve => {
  const button = [...document.querySelectorAll('button')].find(({ textContent }) => /^(Pause|Continue)$/.test(textContent))
  const before = button.textContent
  const start = performance.now()
  button.click()
  const look = () => button.textContent === before ? requestAnimationFrame(look) : resolve(performance.now() - start)
  requestAnimationFrame(look)
})`

async function clicking (page: Page, over: Promise<unknown>): Promise<number[]> {
  const clicks: number[] = []
  for (;;) {
    // Twice, so that the table goes on.
    for (let i = 0; i < 2; i++) clicks.push(await page.evaluate(CLICK) as number)
    if (await Promise.race([over.then(() => true), page.waitForTimeout(400).then(() => false)])) return clicks
  }
}

async function measured (variant: Variant, browser: Browser): Promise<{ readonly cost: Cost, readonly felt?: Felt }> {
  const app = program('load-app.mjs', variant === 'off' ? 'off' : 'on')
  try {
    const { port } = await told<{ port: number }>(app)
    const warm = program('load-client.mjs', port, rate, 2)
    await told(warm)
    const end = variant === 'the stream is read' ? await reader(port) : undefined
    const page = variant === 'Chromium' ? await browser.newPage({ viewport: { width: 1_300, height: 900 } }) : undefined
    await page?.goto(`http://127.0.0.1:${port}/_permit`)
    await page?.locator('[data-connection=live]').waitFor()
    await page?.evaluate(WATCH)
    await told(app, 'begin')
    const client = program('load-client.mjs', port, rate, seconds)
    const load = told<Pick<Cost, 'p50' | 'p99'> & { wrong: number, failed: number }>(client)
    const clicks = page === undefined ? [] : await clicking(page, load)
    const { p50, p99, wrong, failed } = await load
    const cost = { p50, p99, ...await told<Pick<Cost, 'cpu' | 'delay'>>(app, 'end') }
    if (wrong > 0 || failed > 0) throw new Error(`${variant}: ${wrong} wrong answers, ${failed} without an answer`)
    end?.()
    if (page === undefined) return { cost }
    const tasks = await page.evaluate('window.tasks') as number[]
    const words = await page.locator('.status, .warning').allInnerTexts()
    await page.close()
    const number = (pattern: RegExp): number => Number(words.map(text => pattern.exec(text)?.[1]).find(Boolean) ?? 0)
    return {
      cost,
      felt: { longTasks: tasks.length, longest: Math.max(0, ...tasks), clicks, decisions: number(/of (\d+) decisions/), lost: number(/(\d+) decisions are missing/) }
    }
  } finally {
    app.kill()
  }
}

function median (numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] as number : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

const endings: Array<() => unknown> = []
const browser = await browserFor({ teardown: (end: () => unknown) => { endings.push(end) } })
try {
  const costs = new Map<Variant, Cost[]>(VARIANTS.map(variant => [variant, []]))
  const feelings: Felt[] = []
  for (let round = 0; round < rounds; round++) {
    for (const variant of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
      const { cost, felt } = await measured(variant, browser)
      costs.get(variant)?.push(cost)
      if (felt !== undefined) feelings.push(felt)
      console.error(`round ${round + 1} of ${rounds}, ${variant}: p99 ${cost.p99.toFixed(1)} ms, ${cost.cpu.toFixed(0)} ms of processor time`)
    }
  }
  const off = costs.get('off') as Cost[]
  console.table(VARIANTS.map(variant => {
    const own = costs.get(variant) as Cost[]
    const of = (figure: (cost: Cost) => number): number => Number(median(own.map(figure)).toFixed(2))
    const against = (name: keyof Cost): number => Number(median(own.map((cost, round) => cost[name] / (off[round] as Cost)[name])).toFixed(3))
    return {
      inspector: variant,
      'p50 ms': of(({ p50 }) => p50),
      'p99 ms': of(({ p99 }) => p99),
      'p99 against off': against('p99'),
      'processor µs a request': of(({ cpu }) => cpu * 1_000 / (rate * seconds)),
      'processor against off': against('cpu'),
      'event loop p99 ms': of(({ delay }) => delay)
    }
  }))
  const clicks = feelings.flatMap(({ clicks }) => clicks)
  console.table({
    'long tasks a round (median)': median(feelings.map(({ longTasks }) => longTasks)),
    'longest task, ms': Math.round(Math.max(...feelings.map(({ longest }) => longest))),
    clicks: clicks.length,
    'click to its frame, ms (median)': Math.round(median(clicks)),
    'click to its frame, ms (longest)': Math.round(Math.max(...clicks)),
    'decisions lost, and said so (all rounds)': feelings.reduce((sum, { lost }) => sum + lost, 0)
  })
} finally {
  for (const end of endings) await end()
  for (const child of begun) child.kill()
}
