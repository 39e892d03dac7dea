// Finds the kind of bus that the option `bus` names: by the URL's scheme, or by the shape of the app's client.

/**
 * A bus that the app implements. It must deliver every message to every subscriber of the channel, including the sender: an instance
 * detects by its own messages that the bus works.
 *
 * @example
 * ```ts
 * import { EventEmitter } from 'node:events'
 * import Fastify from 'fastify'
 * import permit, { type CustomBus } from 'fastify-permit'
 *
 * // For instances in one process. Several processes need a message broker here.
 * const broker = new EventEmitter()
 * const bus: CustomBus = {
 *   publish: (channel, message) => broker.emit(channel, message),
 *   subscribe (channel, listener) {
 *     broker.on(channel, listener)
 *     return () => broker.off(channel, listener)
 *   }
 * }
 * const app = Fastify()
 * await app.register(permit, { pdp: 'http://pdp:7000', token: process.env.PERMIT_API_KEY ?? '', bus })
 * ```
 */
export interface CustomBus {
  /** Sends a message, a text of at most 4,000 characters. A promise resolves when the bus has accepted it, and otherwise rejects. */
  publish (channel: string, message: string): unknown
  /**
   * Calls `listener` with each message from now on. May return a function that ends the subscription, or a promise of it. A rejection
   * means that the bus is unreachable; the subscription is retried.
   */
  subscribe (channel: string, listener: (message: string) => void): unknown
}

/** A client of `ioredis`. A duplicate of it is used. */
export interface IoredisClient {
  readonly status: string
  duplicate (override?: object): IoredisClient
  connect (): Promise<unknown>
  subscribe (channel: string): Promise<unknown>
  publish (channel: string, message: string): Promise<unknown>
  on (event: string, listener: (...args: never[]) => void): unknown
  disconnect (): void
}

/** A client of `redis`. A duplicate of it is used. */
export interface NodeRedisClient {
  readonly isOpen: boolean
  readonly options?: { readonly socket?: object }
  duplicate (override?: object): NodeRedisClient
  connect (): Promise<unknown>
  subscribe (channel: string, listener: (message: string) => void): Promise<unknown>
  publish (channel: string, message: string): Promise<unknown>
  on (event: string, listener: (...args: never[]) => void): unknown
  /** Closes without waiting: from version 5. */
  destroy? (): void
  disconnect (): unknown
}

/** A connection of `pg`. */
export interface PgClient {
  query (text: string, values?: readonly string[]): Promise<unknown>
  on (event: string, listener: (...args: never[]) => void): unknown
  removeListener (event: string, listener: (...args: never[]) => void): unknown
}

/** A pool of `pg`. One of its connections is used. */
export interface PgPool {
  readonly totalCount: number
  connect (): Promise<PgClient & { release (destroy?: boolean): void }>
}

/** The resolved option `bus`. */
export interface BusSettings {
  readonly target: BusTarget
  readonly secret: string
  readonly channel: string
  /** How long decisions are cached while the bus is unreachable, ms. */
  readonly degradedTtl: number
}

export type BusTarget =
  | { readonly kind: 'redis' | 'postgres', readonly url: string }
  | { readonly kind: 'cluster' }
  | { readonly kind: 'ioredis', readonly client: IoredisClient }
  | { readonly kind: 'node-redis', readonly client: NodeRedisClient }
  | { readonly kind: 'pg-pool', readonly client: PgPool }
  | { readonly kind: 'pg-client', readonly client: PgClient }
  | { readonly kind: 'custom', readonly client: CustomBus }

/** The bus for a URL or for the word `cluster`; undefined for any other text. */
export function targetOfText (text: string): BusTarget | undefined {
  if (text === 'cluster') return { kind: 'cluster' }
  if (!URL.canParse(text)) return undefined
  const { protocol } = new URL(text)
  if (protocol === 'redis:' || protocol === 'rediss:') return { kind: 'redis', url: text }
  return protocol === 'postgres:' || protocol === 'postgresql:' ? { kind: 'postgres', url: text } : undefined
}

/** Whether a client is for a Redis Cluster (`ioredis` or `redis`). It subscribes differently from a client of one node. */
export function isRedisCluster (client: object): boolean {
  return has(client, 'publish', 'subscribe') &&
    (('isCluster' in client && client.isCluster === true) || has(client, 'getRandomNode') || has(client, 'nodeClient'))
}

/** The bus for a client; undefined for an unknown object. */
export function targetOfClient (client: object): BusTarget | undefined {
  if (has(client, 'query', 'connect', 'on')) {
    return 'totalCount' in client
      ? { kind: 'pg-pool', client: client as unknown as PgPool }
      : { kind: 'pg-client', client: client as unknown as PgClient }
  }
  if (!has(client, 'publish', 'subscribe')) return undefined
  if (has(client, 'duplicate', 'connect', 'disconnect')) {
    if ('status' in client && typeof client.status === 'string') return { kind: 'ioredis', client: client as unknown as IoredisClient }
    if ('isOpen' in client && typeof client.isOpen === 'boolean') {
      return { kind: 'node-redis', client: client as unknown as NodeRedisClient }
    }
  }
  return { kind: 'custom', client: client as unknown as CustomBus }
}

function has (client: object, ...methods: readonly string[]): boolean {
  return methods.every(name => typeof (client as Record<string, unknown>)[name] === 'function')
}
