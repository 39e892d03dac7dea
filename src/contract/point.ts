// The one interface that every stage between a question and the PDP implements, and what goes through it.

import type { MaybePromise } from '../kit/whenever.js'

/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** Attributes and contexts: an object that JSON can carry. */
export interface JsonObject { readonly [name: string]: Json | undefined }

/** With the names of Permit's wire, so that a query goes out, or to the engine, as it is. */
export interface QueryUser {
  readonly key: string
  readonly email?: string
  readonly first_name?: string
  readonly last_name?: string
  readonly attributes?: JsonObject
}

export interface QueryResource {
  readonly type: string
  readonly key?: string
  readonly tenant: string
  readonly attributes?: JsonObject
}

/** A question to the PDP. Made by `createQuery` only: its parts are checked, copied and no one's to change. */
export interface Query {
  readonly user: QueryUser
  readonly action: string
  readonly resource: QueryResource
  readonly context?: JsonObject
  /** Equal for equal questions, different for different ones. */
  readonly key: string
}

/**
 * Where an answer came from: this process's memory, an equal question already on its way, the decision point itself, or
 * (`stale`) memory past its time, because no PDP could be reached.
 */
export type DecisionSource = 'cache' | 'flight' | 'pdp' | 'embedded' | 'stale'

/** An answer. Only `allow === true` lets anybody in. */
export interface Decision {
  readonly allow: boolean
  /** Permit's reason code, for example `no_permission`, where the PDP gave one. */
  readonly code?: string
  /** The reason as a sentence, where the PDP gave one. */
  readonly reason?: string
  /** What each model (RBAC, ABAC, ReBAC) had to say, where the PDP told. Not kept in the cache. */
  readonly debug?: unknown
  /**
   * What an AuthZEN PDP sent along: reasons, obligations, what to do to get a yes. At most 16,384 characters; one that is longer is
   * left out. Of a decision from the cache only a denial's is there, and only up to 512 characters.
   */
  readonly context?: Readonly<Record<string, unknown>>
}

/** Filled in by the stages for a caller who wants to know; most do not, and pay nothing. */
export interface Trace { source: DecisionSource | undefined }

/** Whoever asks, where that can be told: most often a request. */
export interface Caller {
  /** A question whose caller is gone need not be asked. */
  readonly destroyed: boolean
  /** The request's id in the app's log, for PDPs that want to be told; read only when a question travels. */
  readonly requestId?: string
}

/**
 * Answers questions. Each stage of the path (cache, coalescing, a PDP) is one, and wraps the next.
 *
 * `decide` answers at once or with a promise; it rejects (or throws) with an `UnavailableError` when no decision can
 * be had by `deadline`, a time of `performance.now()` in ms. It never answers by guessing.
 */
export interface DecisionPoint {
  /**
   * The decision, where it is at hand: remembered, or made in this process. Asks nobody and creates no promise; the way
   * of the guard to an answer that costs next to nothing.
   */
  peek (query: Query): Decision | undefined
  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision>
  /** The counters of this stage and those below it. */
  stats (): DecisionPointStats
}

/** Counters of the decision path; a part that is turned off is absent. */
export interface DecisionPointStats {
  /** Checks asked for, and how they ended; `failed` had no decision. */
  checks?: { allowed: number, denied: number, failed: number }
  cache?: {
    /** Decisions remembered now, and at most. */
    size: number
    max: number
    hits: number
    misses: number
    /** How often something was forgotten by `invalidate`, a user or everything. */
    invalidations: number
    /** Decisions past their time that were given because no PDP could be reached. */
    stale: number
  }
  /** Checks that were asked for together. */
  batches?: {
    /** Checks that wait for a connection now. */
    waiting: number
    /** Bulk requests, the checks in them, and the most in one. */
    requests: number
    checks: number
    largest: number
    /** Bulk requests that failed and were asked again in parts. */
    splits: number
  }
  /** Checks that shared the answer of an equal check already on its way. */
  coalesced?: number
  pdp?: {
    /** Requests made, each counted once however often it was sent, and how many of them ended without a decision. */
    requests: number
    failures: number
    /** Requests on their way now. */
    inFlight: number
    /** How long requests took, ms; percentiles since the start, undefined before the first. */
    latency: { mean: number, p50: number, p99: number, max: number } | undefined
    /** Requests that were sent again to the same PDP. */
    retries: number
    /** Requests that were sent to a second PDP because the first was slower than usual. */
    hedges: number
    /** Each PDP by itself. */
    replicas: readonly ReplicaStats[]
  }
}

/** A PDP: a decision point at the end of the path, that also knows what a user may do, and how it is. */
export interface Pdp extends DecisionPoint {
  /** For people: its URL without credentials, or `embedded`. */
  readonly name: string
  /** Gets ready for the first question. Rejects when that cannot be: the app does not start. */
  open (): Promise<void>
  /** What `user` may do. Never cached. */
  permissions (question: PermissionsQuestion, deadline: number): MaybePromise<UserPermissions>
  /** Whether decisions can be had now; never rejects. */
  health (deadline: number): MaybePromise<Health>
  /** Lets what is on its way finish by `deadline`, then lets go of sockets and files. */
  close (deadline: number): Promise<void>
}

/** A PDP that answers many queries by one request. */
export interface BatchingPdp extends Pdp {
  /** How many requests may be on their way at a time. Each `decide` and `decideAll` takes one at once, if one is free. */
  readonly slots: FreeSlots
  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): Promise<Decision>
  /**
   * The decisions in the order of the queries. Rejects as a whole when one of the answers cannot be believed.
   * @param callers - who asks each of them
   */
  decideAll (queries: readonly Query[], deadline: number, callers?: ReadonlyArray<Caller | undefined>): Promise<readonly Decision[]>
}

export interface Health {
  readonly ok: boolean
  /** Which PDP: its URL without credentials, or `embedded`. */
  readonly pdp: string
  /** Why not, where `ok` is false. */
  readonly reason?: string
  /** Each PDP that is asked over the network, and what its circuit breaker says. */
  readonly replicas?: ReadonlyArray<Pick<ReplicaStats, 'url' | 'state'>>
}

export interface PermissionsQuestion {
  readonly user: QueryUser
  readonly tenants?: readonly string[]
  /** `type:key` each. */
  readonly resources?: readonly string[]
  readonly resourceTypes?: readonly string[]
  readonly context?: JsonObject
}

/** What a user may do, by `"__tenant:<key>"` and `"<type>:<key>"`, as Permit's PDP answers it. */
export type UserPermissions = Record<string, {
  readonly tenant?: { readonly key: string, readonly attributes?: Record<string, unknown> }
  readonly resource?: { readonly type: string, readonly key: string, readonly attributes?: Record<string, unknown> }
  /** `type:action` each. */
  readonly permissions: string[]
  readonly roles?: string[]
}>

/** How many more requests may go out now, for those who batch by it. */
export interface FreeSlots {
  readonly free: number
  /** Calls `listener` whenever a slot has become free, as long as it still is; who has asked first is told first. */
  onFree (listener: () => void): void
}

/** Counters of one PDP. */
export interface ReplicaStats {
  /** Its URL without credentials. */
  readonly url: string
  /** `closed` is the good one: it is asked. */
  readonly state: BreakerState
  /** Requests sent to it, repeats and hedges included, and how many of them failed. */
  readonly requests: number
  readonly failures: number
  /** Requests on their way now. */
  readonly inFlight: number
}

/** `closed`: the PDP is asked. `open`: it is not. `half-open`: it is not, but is being looked at. */
export type BreakerState = 'closed' | 'open' | 'half-open'
