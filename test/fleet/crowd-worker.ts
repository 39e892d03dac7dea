// A process with some of the instances of `crowd.ts`: the real bus with its real connections, and in place of a cache a note of when each forgets.
import { Bus } from '../../src/bus/bus.js'
import type { BusTransport } from '../../src/bus/bus-connection.js'
import { openTransport } from '../../src/bus/open-transport.js'

export interface Setting { readonly url: string, readonly instances: number, readonly degradedTtl: number }

export type Order =
  | { readonly what: 'open' | 'state' | 'forgotten' | 'close' }
  | { readonly what: 'tell', readonly instances: number, readonly forget: number | 'all' }

export interface State {
  readonly up: number
  /** The fewest instances that one of them knows. */
  readonly known: number
  /** Those whose lease holds: nothing limits their decisions. */
  readonly proven: number
  readonly sent: number
  readonly received: number
  readonly rejected: number
  readonly forgetAll: number
  readonly outages: number
  /** Processor time of this process, ms. */
  readonly processor: number
  /** When each connection was asked for, ms since 1970. */
  readonly connects: readonly number[]
}

const now = (): number => performance.timeOrigin + performance.now()

const { url, instances, degradedTtl } = JSON.parse(process.argv[2] as string) as Setting
const connects: number[] = []
/** When one of the instances has forgotten what was told, ms since 1970. */
let forgotten: number[] = []

const transportOf = async (): Promise<BusTransport> => {
  const transport = await openTransport({ kind: url.startsWith('redis') ? 'redis' : 'postgres', url }, 'crowd', 'the secret of the crowd')
  return {
    name: transport.name,
    connect (events) {
      connects.push(now())
      return transport.connect(events)
    }
  }
}

const buses: Bus[] = []
for (let index = 0; index < instances; index++) {
  buses.push(new Bus({
    transport: await transportOf(), secret: 'the secret of the crowd', channel: 'crowd', degradedTtl, forget: () => { forgotten.push(now()) }
  }))
}

function stateOf (): State {
  const all = buses.map(bus => bus.stats())
  const sum = (of: 'sent' | 'received' | 'rejected' | 'forgetAll' | 'outages') => all.reduce((total, stats) => total + stats[of], 0)
  const { user, system } = process.cpuUsage()
  return {
    up: all.filter(({ up }) => up).length,
    known: Math.min(...all.map(({ instances }) => instances)),
    proven: buses.filter(({ lease }) => lease.until >= performance.now()).length,
    sent: sum('sent'),
    received: sum('received'),
    rejected: sum('rejected'),
    forgetAll: sum('forgetAll'),
    outages: sum('outages'),
    processor: (user + system) / 1_000,
    connects
  }
}

process.on('message', async (order: Order) => {
  switch (order.what) {
    case 'open':
      for (const bus of buses) bus.open().catch(() => {})
      process.send?.({ at: now() })
      break
    case 'state':
      process.send?.(stateOf())
      break
    case 'tell': {
      const at = now()
      for (const bus of buses.slice(0, order.instances)) bus.announce(order.forget)
      process.send?.({ at })
      break
    }
    case 'forgotten': {
      const noted = forgotten
      forgotten = []
      process.send?.({ forgotten: noted })
      break
    }
    case 'close':
      await Promise.all(buses.map(bus => bus.close()))
      process.disconnect()
  }
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
