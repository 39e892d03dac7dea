// Creates the transport of a bus. The package that it needs is loaded here, on demand.
import { OptionsError } from '../contract/errors.js'
import type { BusTarget, IoredisClient, NodeRedisClient, PgClient } from './bus-target.js'
import type { BusTransport } from './bus-connection.js'

/** How long connecting to PostgreSQL may take, ms. */
const CONNECT_TIMEOUT = 5_000

/** How long a connection may take to end, ms. */
const END_TIMEOUT = 500

type IoredisPackage = { readonly Redis: new (url: string, settings: object) => IoredisClient }
type NodeRedisPackage = { createClient (settings: object): NodeRedisClient }
/** A connection of `pg` that this package opened. */
interface OwnPgClient extends PgClient {
  readonly connection: { readonly stream: { destroy (): unknown } }
  connect (): Promise<unknown>
  end (): Promise<unknown>
}

type PgPackage = {
  readonly default: { readonly Client: new (settings: object) => OwnPgClient }
}

/**
 * @throws {@link OptionsError} when a package is missing
 */
export async function openTransport (target: BusTarget, channel: string, secret: string): Promise<BusTransport> {
  switch (target.kind) {
    case 'redis': return redisOf(target.url, channel)
    case 'ioredis': {
      const { ioredisBus } = await import('./transports/redis-bus.js')
      return ioredisBus(settings => target.client.duplicate(settings), channel)
    }
    case 'node-redis': {
      const { nodeRedisBus } = await import('./transports/redis-bus.js')
      const { client } = target
      // `duplicate` replaces the settings of the socket as a whole, the host included.
      const socket = { ...client.options?.socket, ...WITHOUT_RECONNECTING }
      return nodeRedisBus(settings => client.duplicate({ ...settings, socket }), channel)
    }
    case 'postgres': return postgresOf(target.url, channel)
    case 'pg-pool': {
      const { fromPool, postgresBus } = await import('./transports/postgres-bus.js')
      return postgresBus(() => fromPool(target.client), channel)
    }
    case 'pg-client': {
      const { fromClient, postgresBus } = await import('./transports/postgres-bus.js')
      return postgresBus(() => fromClient(target.client, channel), channel)
    }
    case 'cluster': {
      const { clusterBus } = await import('./transports/cluster-bus.js')
      return clusterBus(channel, secret)
    }
    case 'custom': {
      const { customBus } = await import('./transports/custom-bus.js')
      return customBus(target.client, channel)
    }
  }
}

/** The connection is opened again with a new client. */
const WITHOUT_RECONNECTING = { reconnectStrategy: false, connectTimeout: CONNECT_TIMEOUT }

async function redisOf (url: string, channel: string): Promise<BusTransport> {
  const { ioredisBus, nodeRedisBus } = await import('./transports/redis-bus.js')
  const ioredis = await load<IoredisPackage>('ioredis')
  if (ioredis !== undefined) return ioredisBus(settings => new ioredis.Redis(url, settings), channel)
  const redis = await load<NodeRedisPackage>('redis')
  if (redis !== undefined) {
    return nodeRedisBus(settings => redis.createClient({ ...settings, url, socket: { ...WITHOUT_RECONNECTING } }), channel)
  }
  throw new OptionsError('option "bus" with Redis requires the package ioredis or redis, and neither is installed. ' +
    'Run: npm install ioredis')
}

async function postgresOf (url: string, channel: string): Promise<BusTransport> {
  const { postgresBus } = await import('./transports/postgres-bus.js')
  const pg = await load<PgPackage>('pg')
  if (pg === undefined) {
    throw new OptionsError('option "bus" with PostgreSQL requires the package pg, which is not installed. Run: npm install pg')
  }
  const { Client } = pg.default
  return postgresBus(async () => {
    const client = new Client({
      connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT, keepAlive: true, application_name: 'fastify-permit bus'
    })
    // Without a listener for errors, the process would end.
    client.on('error', () => {})
    await client.connect()
    return {
      client,
      async release () {
        // A server that does not answer does not end the connection either.
        const timer = setTimeout(() => client.connection.stream.destroy(), END_TIMEOUT)
        await client.end().finally(() => clearTimeout(timer))
      }
    }
  }, channel)
}

/** A package; undefined when it is not installed. The name is a variable, so that its types are not needed either. */
async function load<T> (name: string): Promise<T | undefined> {
  try {
    return await import(name) as T
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw new OptionsError(`option "bus" requires the package ${name}, which is installed and cannot be loaded`, { cause: error })
  }
}
