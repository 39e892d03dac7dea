// A process that loads one policy: by the format's parser alone, as an app does, or again while it runs.
import { readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import permit from 'fastify-permit'
import { parse } from 'yaml'

export interface Loaded { cpu: number, peak: number, resting: number }

export interface Reloaded { longestTurn: number, longestIdleTurn: number }

/** How long the loop is watched before the reload, ms. */
const IDLE = 1_000

/** A reload that takes longer has failed, ms. */
const MAX_RELOAD = 120_000

const [what, file = ''] = process.argv.slice(2)

async function load () {
  // A million users take longer than Fastify waits for a plugin by default.
  const app = Fastify({ pluginTimeout: 0 })
  await app.register(permit, { policy: file })
  await app.ready()
  return app
}

async function measured (work: () => unknown): Promise<Loaded> {
  gc!()
  const before = process.memoryUsage()
  const start = process.cpuUsage()
  const kept = await work()
  const { user, system } = process.cpuUsage(start)
  const peak = process.resourceUsage().maxRSS / 1e3 - before.rss / 1e6
  gc!()
  const resting = (process.memoryUsage().heapUsed - before.heapUsed) / 1e6
  // Alive until now, so that the heap is what it holds.
  if (kept === undefined) throw new Error('nothing was loaded')
  return { cpu: (user + system) / 1000, peak, resting }
}

/**
 * The longest turn of the event loop until `done`, ms. A turn counts as long as the clock or the processor time says, whichever is less: the clock
 * also runs while another process has the processor, and the processor time also counts threads beside the loop.
 */
async function longestTurn (done: () => Promise<boolean> | boolean): Promise<number> {
  let longest = 0
  let clock = performance.now()
  let cpu = process.cpuUsage()
  while (!await done()) {
    await nextTurn()
    const now = performance.now()
    const used = process.cpuUsage(cpu)
    longest = Math.max(longest, Math.min(now - clock, (used.user + used.system) / 1000))
    clock = now
    cpu = process.cpuUsage()
  }
  return longest
}

if (what === 'parse') {
  const parser: (text: string) => unknown = file.endsWith('json') ? JSON.parse : parse
  process.send?.(await measured(() => parser(readFileSync(file, 'utf8'))))
} else if (what === 'load') {
  process.send?.(await measured(load))
} else {
  const app = await load()
  process.on('message', async (user: string) => {
    const end = performance.now() + IDLE
    const longestIdleTurn = await longestTurn(() => performance.now() >= end)
    process.send?.('now')
    const late = performance.now() + MAX_RELOAD
    const longest = await longestTurn(() => {
      if (performance.now() > late) throw new Error('the policy was not reloaded')
      return app.permit.check(user, 'read', 'task')
    })
    const reloaded: Reloaded = { longestTurn: longest, longestIdleTurn }
    process.send?.(reloaded)
  })
  process.send?.('loaded')
}
process.on('disconnect', () => process.exit())
