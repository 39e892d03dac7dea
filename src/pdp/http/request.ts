// What goes over the transport: a request as those who send it describe it.

/** A request, and how its answer is read. */
export interface TransportRequest<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** JSON text. */
  readonly body?: string
  /** Beyond those that every request has. */
  readonly headers?: Readonly<Record<string, string>>
  /** A time of `performance.now()`, ms. */
  readonly deadline: number
  /** Which statuses are answers; default: 200 alone. Any other is a failure. */
  readonly answers?: readonly number[]
  /** Makes the result of an answer's parsed JSON (undefined for an empty one), or throws where it cannot be believed. */
  readonly read: (answer: unknown, status: number) => T
}

/** The request that finds out whether a PDP is well: cheap, about nobody, and as much like a question as can be. */
export type Probe = Omit<TransportRequest<unknown>, 'deadline' | 'answers'>
