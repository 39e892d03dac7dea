// The interface of the decision path, which every stage and every PDP implements, and its types: queries, decisions, counters.
import type { MaybePromise } from '../kit/maybe-promise.js'
import type { PdpError } from './errors.js'
import type { BusHealth, BusStats } from './bus-state.js'
import type { Plan } from './plan.js'

/** A JSON value. */
type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** A JSON object: attributes or a context. */
export interface JsonObject { readonly [name: string]: Json | undefined }

/** The user of a query, with the names of Permit's wire format, so that it is sent without conversion. */
export interface QueryUser {
  readonly key: string
  readonly email?: string
  readonly first_name?: string
  readonly last_name?: string
  readonly attributes?: JsonObject
  /** Roles that the app gives for this question, by tenant, in order. Only the embedded PDP takes them. */
  readonly roles?: GivenRoles
}

/** Keys of roles by tenant. */
export type GivenRoles = ReadonlyArray<readonly [tenant: string, roles: readonly string[]]>

/** Whether nothing but the key of a user is known, which is so for most. */
export function isKeyOnly ({ email, first_name: first, last_name: last, attributes, roles }: QueryUser): boolean {
  return email === undefined && first === undefined && last === undefined && attributes === undefined && roles === undefined
}

export interface QueryResource {
  readonly type: string
  readonly key?: string
  readonly tenant: string
  readonly attributes?: JsonObject
}

/** A query to the PDP. Only created by `createQuery`; its parts are validated, copied and immutable. */
export interface Query {
  readonly user: QueryUser
  readonly action: string
  readonly resource: QueryResource
  readonly context?: JsonObject
  /** For a PDP that decides by URL mapping rules: the method and the URL, instead of `action` and `resource`. */
  readonly url?: { readonly method: string, readonly href: string }
  /** The cache key: equal for equal queries, different for different ones. */
  readonly key: string
  /**
   * An object that only queries have in common that differ in nothing but the user: what is made of their other parts may be kept by it.
   * Undefined for most queries.
   */
  readonly family?: object
}

/**
 * Where a decision came from: the cache, an equal check in flight, the PDP, the embedded PDP, or (`stale`) an expired cache entry that was
 * used because the PDP was unreachable.
 */
export type DecisionSource = 'cache' | 'flight' | 'pdp' | 'embedded' | 'stale'

/** A decision. Only `allow === true` grants access. */
export interface Decision {
  readonly allow: boolean
  /** Permit's reason code, for example `no_permission`, if the PDP sent one. */
  readonly code?: string
  /** The reason as a sentence, if the PDP sent one. */
  readonly reason?: string
  /** The results of each model (RBAC, ABAC, ReBAC), if the PDP sent them. Not cached. */
  readonly debug?: unknown
  /**
   * The context that an AuthZEN PDP sent: for example reasons, obligations, or how to obtain access. A context of more than 16,384
   * characters is dropped. The cache only keeps the context of a denial, up to 512 characters.
   */
  readonly context?: Readonly<Record<string, unknown>>
  /**
   * For how long the time cannot change the decision, ms: a condition compared something with `now`. It is not cached for longer. Undefined
   * when the time does not matter, and for PDPs over HTTP.
   */
  readonly validFor?: number
}

/** For how long an answer is the same whatever time it is, ms; undefined when the time does not matter, or the PDP does not say. */
export interface TimeBound { validFor?: number | undefined }

/** Filled in by the stages for a caller that needs the source. Optional, so that other callers pay nothing. */
export interface Trace { source: DecisionSource | undefined }

/** The caller of a check, if it is known: usually a request. */
export interface Caller {
  /** Whether the caller is gone. Its check is then not sent. */
  readonly destroyed: boolean
  /** The request's id in the app's log, for PDPs that accept one. Only read when a check is sent. */
  readonly requestId?: string
  /** Headers for the request to the PDP, such as those of a trace. Only read when a check is sent. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Decides queries. Each stage of the path (cache, coalescing, a PDP) is one and wraps the next.
 *
 * `decide` returns a decision or a promise of one. It throws or rejects with an `UnavailableError` when there is no decision until
 * `deadline`, a time of `performance.now()` in ms. It never guesses.
 */
export interface DecisionPoint {
  /**
   * The decision, if it is available synchronously: cached, or made in this process. Sends nothing and creates no promise. This is the
   * guard's fast path.
   */
  peek (query: Query): Decision | undefined
  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision>
  /** The counters of this stage and those below it. */
  stats (): DecisionPointStats
}

/** Takes the outcome of one check. One of its methods is called, once. Neither throws, and neither runs code of the app. */
export interface Outcome {
  settle (decision: Decision): void
  fail (error: unknown): void
}

/**
 * A decision point that can be asked without a promise. A check passes through several stages, and a promise from each to the next would
 * cost more than the rest of its way.
 */
export interface AskedPoint extends DecisionPoint {
  /** As `decide`, but the decision or the error goes to `outcome`, which may be before this returns. Never throws. */
  ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void
}

/** Counters of the option `shadow`. */
export interface ShadowStats {
  /** Questions that the shadow was asked; those that it answered alike and differently, and those without an answer. */
  readonly asked: number
  readonly same: number
  readonly different: number
  readonly failed: number
  /** Questions that it was not asked, because too many were in flight. */
  readonly skipped: number
  /** Questions that it has not answered yet. */
  readonly inFlight: number
}

/** Counters of the decision path; a part that is turned off is absent. */
export interface DecisionPointStats {
  /** Checks by result; `failed` are those without a decision. */
  checks?: { allowed: number, denied: number, failed: number }
  cache?: {
    /** The number of cached decisions, and the maximum. */
    size: number
    max: number
    hits: number
    misses: number
    /** Invalidations, of one user or of all users. */
    invalidations: number
    /** Expired decisions that were used because the PDP was unreachable. */
    stale: number
  }
  /** Plans, and how many of them came from the cache or from an equal question in flight; absent before the first one. */
  plans?: { asked: number, shared: number, failed: number }
  /** Searches, how many results they found, and how many ended with an error, aborted ones not counted; absent before the first one. */
  searches?: { asked: number, found: number, failed: number }
  /** Checks that were sent in bulk requests. */
  batches?: {
    /** Checks that are waiting for a connection. */
    waiting: number
    /** Bulk requests, the checks in them, and the most checks in one. */
    requests: number
    checks: number
    largest: number
    /** Bulk requests that failed and were sent again in parts. */
    splits: number
  }
  /** The bus of the option `bus`. */
  bus?: BusStats
  /** The shadow of the option `shadow`. */
  shadow?: ShadowStats
  /** Checks that shared the decision of an equal check in flight. */
  coalesced?: number
  pdp?: {
    /** Requests, without retries and hedges, and how many of them failed. */
    requests: number
    failures: number
    /** Requests in flight. */
    inFlight: number
    /** The latency of requests since the start, ms; undefined before the first one. */
    latency: { mean: number, p50: number, p99: number, max: number } | undefined
    /** Retries on the same PDP. */
    retries: number
    /** Second requests that were sent because the first one was slower than usual. */
    hedges: number
    /** The counters of each replica. */
    replicas: readonly ReplicaStats[]
  }
}

/** A PDP: the decision point at the end of the path, which also lists permissions and reports its health. */
export interface Pdp extends DecisionPoint {
  /** The URL without credentials, or `embedded`. */
  readonly name: string
  /** Prepares for the first check. If it rejects, the app does not start. */
  open (): Promise<void>
  /** The permissions of a user. Never cached. */
  permissions (question: PermissionsQuestion, deadline: number): MaybePromise<UserPermissions>
  /**
   * The rows of a type that the user may act on, as a condition. Undefined for a kind of PDP without plans. Rejects with a `PlanError` when
   * there is no exact plan, and with an `UnavailableError` when there is none until `deadline`.
   *
   * @param bound - gets for how long the time cannot change the plan
   */
  plan? (question: PlanQuestion, deadline: number, bound?: TimeBound): MaybePromise<Plan>
  /**
   * The pages of a search: keys of resources, users or tenants, or names of actions; those that a check would allow now, all of them, some
   * perhaps twice. Undefined for a kind of PDP without searches. Rejects with a `SearchError` when there is no complete list, with an
   * `UnsupportedError` when this PDP has no such search, and with an `UnavailableError` when there is no answer in time.
   */
  search? (question: SearchQuestion, asking: SearchAsking): AsyncIterable<readonly string[]>
  /**
   * The permission that a method and a URL stand for by the PDP's URL mapping rules, which are known here; undefined when no rule matches.
   * Throws an `UnavailableError` when that takes too much work.
   */
  mapUrl? (method: string, url: string): MappedUrl | undefined
  /**
   * Why the PDP cannot be asked about resources of a type, as a sentence; undefined when it can.
   * @param isType - whether the question is about the type, without a key
   * @param tenant - undefined when it depends on the request
   */
  mistakeIn? (type: string, isType: boolean, tenant: string | undefined): string | undefined
  /** Asks a question of the app's own at boot, logs why there is no decision, and asks it again for `health`. Never rejects. */
  probeWith? (query: Query): Promise<void>
  /** Whether the PDP decides queries with a `url`. */
  readonly decidesUrls?: boolean
  /** Whether the PDP can give decisions now; never rejects. */
  health (deadline: number): MaybePromise<Health>
  /** Lets checks in flight finish until `deadline`, then closes sockets and files. */
  close (deadline: number): Promise<void>
}

/** The permission that a URL stands for. */
export interface MappedUrl {
  readonly action: string
  readonly type: string
  /** The values in the URL that a rule names. */
  readonly attributes: JsonObject
}

/** A PDP that decides many queries in one request. */
export interface BatchingPdp extends Pdp {
  /** The slots for requests in flight. Each `decide` and `decideAll` takes one synchronously, if one is free. */
  readonly slots: FreeSlots
  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): Promise<Decision>
  /**
   * What the PDP answers, in the order of the queries. Rejects as a whole when one of the answers is invalid.
   * @param callers - the caller of each query
   */
  decideAll (queries: readonly Query[], deadline: number, callers?: ReadonlyArray<Caller | undefined>): Promise<readonly BulkAnswer[]>
}

/** The answer to one of many queries: a decision, or the error that the PDP gives in place of one. */
export type BulkAnswer = Decision | PdpError

export interface Health {
  readonly ok: boolean
  /** The URL of the PDP without credentials, or `embedded`. */
  readonly pdp: string
  /** The reason, if `ok` is false. */
  readonly reason?: string
  /** The bus of the option `bus`. It does not change `ok`: without it there are decisions, too. */
  readonly bus?: BusHealth
  /** Each replica of a PDP over the network, with the state of its circuit breaker. */
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

/** A question for a plan: about the rows of a resource type in a tenant. */
export interface PlanQuestion {
  readonly user: QueryUser
  readonly action: string
  readonly type: string
  readonly tenant: string
  readonly context?: JsonObject
  /** Relations of the type that are columns of the table. */
  readonly relations?: readonly string[]
  /** What the app says of conditions that Permit's container cannot tell. */
  readonly conditions?: 'none' | 'stored'
}

/** What a search finds, and for whom. `conditions` is what the app says of conditions that Permit's container cannot tell. */
export type SearchQuestion =
  | {
    readonly find: 'resources'
    readonly user: QueryUser
    readonly action: string
    readonly resource: Pick<QueryResource, 'type' | 'tenant'>
    readonly context?: JsonObject
    readonly conditions?: 'none' | 'stored'
  }
  | {
    readonly find: 'users'
    readonly action: string
    readonly resource: QueryResource
    readonly context?: JsonObject
    readonly conditions?: 'none' | 'stored'
  }
  | {
    readonly find: 'actions'
    readonly user: QueryUser
    readonly resource: QueryResource
    readonly context?: JsonObject
    readonly conditions?: 'none' | 'stored'
  }
  | {
    /** The tenants in which the user has a role; with `access`, those of them in which the user may do it. */
    readonly find: 'tenants'
    readonly user: QueryUser
    readonly access?: { readonly action: string, readonly resource: Omit<QueryResource, 'tenant'> }
    readonly context?: JsonObject
  }

/** How a search is asked. */
export interface SearchAsking {
  /** The deadline of the page that is asked for now. */
  deadline (): number
  /** About how many results the caller takes; it stops by itself. */
  readonly limit: number
  /** Ends the search. */
  readonly signal?: AbortSignal
}

/**
 * A user's permissions by `"__tenant:<key>"` and `"<type>:<key>"`, in the format of Permit's PDP: what roles give. What conditions (ABAC)
 * allow is not in it, so a permission that is missing may still be allowed.
 */
export type UserPermissions = Record<string, {
  /** Attributes only with the option `attributes`. */
  readonly tenant?: { readonly key: string, readonly attributes?: Record<string, unknown> }
  readonly resource?: { readonly type: string, readonly key: string, readonly attributes?: Record<string, unknown> }
  /** `type:action` each. */
  readonly permissions: string[]
  readonly roles?: string[]
}>

/** The number of requests that may be sent now, for the batching stage. */
export interface FreeSlots {
  readonly free: number
  /** Calls `listener` whenever a slot becomes free and is not taken by an earlier listener. */
  onFree (listener: () => void): void
}

/** Counters of one replica. */
export interface ReplicaStats {
  /** The URL without credentials. */
  readonly url: string
  /** The state of the circuit breaker; `closed` when the replica is healthy. */
  readonly state: BreakerState
  /** Requests sent to the replica, including retries and hedges, and how many of them failed. */
  readonly requests: number
  readonly failures: number
  /** Requests in flight. */
  readonly inFlight: number
  /**
   * The sum of the times of these requests, ms, so far for those in flight. Its growth divided by that of `requests` is the mean latency of
   * the time between.
   */
  readonly busy: number
}

/** `closed`: the PDP gets checks. `open`: it gets none. `half-open`: it gets none and is being probed. */
export type BreakerState = 'closed' | 'open' | 'half-open'
