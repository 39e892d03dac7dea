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

/** A route and what protects it. */
export interface InspectorRoute {
  /** `GET`, or several with commas. */
  readonly method: string
  /** As declared. */
  readonly url: string
  /** `task:create`, `(task:list or task:create)`, `by function`; null when nothing is required. */
  readonly permission: string | null
  /** `task:{id}` */
  readonly resource: string | null
  readonly tenant: string | null
  /** Whether it is declared public. */
  readonly public: boolean
  /** What guards it; `unknown` for a route that was declared before the plugin. */
  readonly guardedBy: string | null
}
