// Connects a bus with the generations. Loaded only with the option `bus`.
import { Bus, type BusLog } from '../bus/bus.js'
import type { BusSettings } from '../bus/bus-target.js'
import { openTransport } from '../bus/open-transport.js'
import { FleetGenerations } from './fleet-generations.js'

/**
 * @param ttl - how long decisions are cached, ms
 * @throws `OptionsError` when a package is missing
 */
export async function openFleet (
  { target, secret, channel, degradedTtl }: BusSettings, ttl: number, log: BusLog | undefined
): Promise<{ readonly generations: FleetGenerations, readonly bus: Bus }> {
  const transport = await openTransport(target, channel, secret)
  const generations = new FleetGenerations()
  const bus = new Bus({ transport, secret, channel, degradedTtl, log, forget: what => generations.invalidateHere(what) })
  generations.connect(bus)
  // A decision is never older than the cache's ttl: a limit that is not lower costs nothing.
  if (degradedTtl < ttl) generations.limit = bus.lease
  return { generations, bus }
}
