// Load balancing: which replica gets the next request.
import type { Replica } from './replica.js'

/** Picks replicas for requests. `tried` lists the replicas that the request has already been sent to. */
export interface Balance {
  /** A usable replica with a free slot. */
  pick (tried: readonly Replica[]): Replica | undefined
  /** Whether there is a usable replica, with or without a free slot. */
  has (tried: readonly Replica[]): boolean
  /** Whether the request may go to this replica, which has a free slot. */
  takes (replica: Replica, tried: readonly Replica[]): boolean
}

/**
 * For checks: picks the usable replica with the fewest requests in flight, and among equals the one that was picked longest ago.
 * Replicas that failed a moment ago come last. A replica that hangs keeps its requests in flight, so it never gets more of them than
 * it has connections.
 */
export function byLoad (replicas: readonly Replica[]): Balance {
  let picks = 0
  const lastPick = replicas.map(() => 0)
  const takes = (replica: Replica, tried: readonly Replica[]) => replica.usable && !tried.includes(replica)

  /** The index of the least busy replica that is, or is not, penalized; -1 for none. */
  function leastBusy (tried: readonly Replica[], now: number, penalized: boolean): number {
    let best = -1
    let most = 0
    for (let index = 0; index < replicas.length; index++) {
      const replica = replicas[index] as Replica
      const { free } = replica.slots
      const better = free > most || (free === most && best >= 0 && (lastPick[index] as number) < (lastPick[best] as number))
      if (better && takes(replica, tried) && replica.isPenalized(now) === penalized) {
        best = index
        most = free
      }
    }
    return best
  }

  return {
    pick (tried) {
      const now = performance.now()
      let best = leastBusy(tried, now, false)
      if (best < 0) best = leastBusy(tried, now, true)
      if (best >= 0) lastPick[best] = ++picks
      return replicas[best]
    },
    has: tried => replicas.some(replica => takes(replica, tried)),
    takes
  }
}

/** For writes: the first usable replica, and the next one only when the ones before it could not be reached. */
export function inOrder (replicas: readonly Replica[]): Balance {
  const next = (tried: readonly Replica[]) => replicas.find(replica => replica.usable && !tried.includes(replica))
  return {
    pick (tried) {
      const replica = next(tried)
      return replica !== undefined && replica.slots.free > 0 ? replica : undefined
    },
    has: tried => next(tried) !== undefined,
    takes: (replica, tried) => next(tried) === replica
  }
}
