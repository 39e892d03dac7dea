// A decision as the inspector's page gets it. The page imports these types, so this file imports nothing.

/** One check, plan or search. Texts are cut after 512 characters. */
export interface InspectorRow {
  /** Counts up from 1. */
  readonly id: number
  /** When it ended, ms since 1970. */
  readonly time: number
  /** `check`, or the method that asks for a plan or searches. */
  readonly kind: 'check' | 'plan' | 'searchResources' | 'searchActions' | 'searchUsers' | 'tenants'
  readonly user: string
  readonly action: string
  /** `type` or `type:key`. */
  readonly resource: string
  readonly tenant: string
  /** `none`: there is no decision, and access is refused. */
  readonly outcome: 'yes' | 'no' | 'none'
  /** Of a plan: which rows of the tenant; of a search: whether there are results. */
  readonly rows?: 'all' | 'some' | 'none'
  /** Of a search: how many results the caller got. */
  readonly found?: number
  /** The PDP's reason code. */
  readonly code?: string
  /** The PDP's reason as a sentence. */
  readonly reason?: string
  /** Why there is no decision. */
  readonly failure?: string
  /** Where the decision came from. */
  readonly source?: string
  /** Ms. */
  readonly duration: number
  /** `GET /tasks/:id`, as declared; absent for a check outside of a route. */
  readonly route?: string
  /** Attributes and context as JSON, with the option `attributes` only. Cut after 4,096 characters. */
  readonly values?: string
}

/** What the event `rows` of the stream carries. */
export interface InspectorRows {
  readonly rows: readonly InspectorRow[]
  /** How many decisions were left out before these, because the browser was too slow. */
  readonly lost: number
  /** Whether these rows begin anew: the app was restarted, or it is the first event. */
  readonly fresh: boolean
}

/** The values of a query that the page shows. */
type Shown = Readonly<Record<string, unknown>>

/** A whole question. Values are `(hidden)` without the option `attributes`. */
export interface InspectorQuestion {
  readonly user: { readonly key: string, readonly attributes?: Shown } & Shown
  readonly action: string
  readonly resource: { readonly type: string, readonly key?: string, readonly tenant: string, readonly attributes?: Shown }
  readonly context?: Shown
  /** Whether values are left out. */
  readonly hidden: boolean
}

/** A node of the tree that explains a decision. */
export interface InspectorBranch {
  readonly text: string
  /** Whether it is a yes or a no; undefined when it is neither. */
  readonly mark?: boolean
  readonly branches?: readonly InspectorBranch[]
}

/** The answer to a question, by the policy and the facts of now. */
export interface InspectorAnswer {
  readonly question: InspectorQuestion
  readonly outcome: InspectorRow['outcome']
  readonly code?: string
  readonly reason?: string
  /** Why there is no decision. */
  readonly failure?: string
  readonly tree?: InspectorBranch
  /** What would make it a yes: each entry is enough, and needs all of its changes. Null when it is about too many facts. */
  readonly changes?: ReadonlyArray<readonly string[]> | null
}

/** The policy of the embedded PDP. */
export interface InspectorPolicy {
  readonly types: readonly InspectorType[]
  /** Tenant roles. */
  readonly roles: readonly string[]
  /** Who holds each permission (`type:action`): tenant roles, and roles on instances of the type. */
  readonly grants: ReadonlyArray<{
    readonly permission: string
    readonly roles: readonly string[]
    readonly resource_roles: readonly string[]
  }>
  /** Set rules as sentences. */
  readonly rules: readonly string[]
}

/** A resource type. */
export interface InspectorType {
  readonly key: string
  readonly actions: readonly string[]
  readonly roles: readonly string[]
  readonly relations: ReadonlyArray<{ readonly relation: string, readonly subject: string }>
  /** A user with `from` on a subject, which `relation` links, has `role`. */
  readonly derivations: ReadonlyArray<{
    readonly role: string
    readonly from: string
    readonly on: string
    readonly relation: string
  }>
}

/** What is next to a user or an instance. */
export interface InspectorNear {
  /** Roles of the user, or who has roles on the instance: a role, and where or who. */
  readonly roles: ReadonlyArray<{ readonly role: string, readonly at: string }>
  /** Instances that are a relation of it, and those that it is a relation of. */
  readonly subjects: ReadonlyArray<{ readonly relation: string, readonly of: string }>
  readonly objects: ReadonlyArray<{ readonly relation: string, readonly of: string }>
  /** Whether there is more than is listed. */
  readonly more: boolean
}

/** The counters at one moment, since the start; a part that is turned off is absent. */
export interface InspectorSample {
  /** Ms since 1970. */
  readonly time: number
  readonly checks?: { readonly allowed: number, readonly denied: number, readonly failed: number }
  readonly cache?: { readonly size: number, readonly max: number, readonly hits: number, readonly misses: number }
  readonly batches?: { readonly waiting: number, readonly requests: number, readonly checks: number }
  readonly replicas?: ReadonlyArray<{
    readonly url: string,
    readonly state: string,
    readonly requests: number,
    readonly failures: number,
    readonly inFlight: number
    /** Ms. */
    readonly busy: number
  }>
  readonly bus?: { readonly up: boolean, readonly instances: number, readonly silent: number }
}

/** What the policy and the routes have in common, and what not. */
export interface InspectorAudit {
  /** Permissions of the policy that no route requires. */
  readonly unused: readonly string[]
  /** Permissions of routes that the policy does not have. */
  readonly unknown: readonly string[]
  /** For a user: whether each permission is held always, depending on resource and context, or never. */
  readonly may?: Readonly<Record<string, 'always' | 'depends' | 'never'>>
  /** Why there is no answer for the user. */
  readonly problem?: string
}

/** A route and what protects it. */
export interface InspectorRoute {
  /** `GET`, or several with commas. */
  readonly method: string
  /** As declared. */
  readonly url: string
  /** `task:create`, `(task:list or task:create)`, `by function`; null when nothing is required. */
  readonly permission: string | null
  /** Those of them that are known in advance, as `type:action`. */
  readonly permissions: readonly string[]
  /** `task:{id}` */
  readonly resource: string | null
  readonly tenant: string | null
  /** Whether it is declared public. */
  readonly public: boolean
  /** What guards it; `unknown` for a route that was declared before the plugin. */
  readonly guardedBy: string | null
}
