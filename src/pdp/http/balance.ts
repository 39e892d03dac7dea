// Which PDP gets the next request, where there are several.
import type { Replica } from './replica.js'

/** Picks replicas for requests. `tried` are those that the request has been to already. */
export interface Balance {
  /** A replica that may be asked and has a slot free. */
  pick (tried: readonly Replica[]): Replica | undefined
  /** Whether there is a replica that may be asked, now or when it has a slot free. */
  has (tried: readonly Replica[]): boolean
  /** Whether this replica, which has a slot free, is one that the request may go to. */
  takes (replica: Replica, tried: readonly Replica[]): boolean
}

/**
 * For questions: of those whose breaker is closed the one with the fewest requests on their way; among equals the one
 * that was picked longest ago; and before all others those that have not failed a moment ago. One that hangs keeps its
 * requests, and so gets no more of them than it has connections.
 */
export function byLoad (replicas: readonly Replica[]): Balance {
  let picks = 0
  const lastPick = replicas.map(() => 0)
  const takes = (replica: Replica, tried: readonly Replica[]) => replica.usable && !tried.includes(replica)

  /** The least busy one that is, or is not, shunned; -1 for none. */
  function leastBusy (tried: readonly Replica[], now: number, shunned: boolean): number {
    let best = -1
    let most = 0
    for (let index = 0; index < replicas.length; index++) {
      const replica = replicas[index] as Replica
      const { free } = replica.slots
      const better = free > most || (free === most && best >= 0 && (lastPick[index] as number) < (lastPick[best] as number))
      if (better && takes(replica, tried) && replica.isShunned(now) === shunned) {
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

/** For writes: always the first that may be asked, and the next only where those before it could not be reached. */
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
