// Redis or Valkey as the bus: publish and subscribe, on two connections that belong to this package, by `ioredis` or `redis`.
import type { IoredisClient, NodeRedisClient } from '../bus-target.js'
import type { BusEvents, BusSession, BusTransport } from '../bus-connection.js'

/** How long a command may take before the connection counts as lost, ms. */
const COMMAND_TIMEOUT = 5_000

/** @param make - creates a client that is not connected yet */
export function ioredisBus (make: (settings: object) => IoredisClient, channel: string): BusTransport {
  return {
    name: 'redis',
    async connect (events) {
      const settings = {
        lazyConnect: true,
        // The connection is opened again with a new client.
        retryStrategy: () => null,
        reconnectOnError: null,
        enableOfflineQueue: false,
        autoResubscribe: false,
        maxRetriesPerRequest: 0,
        connectTimeout: COMMAND_TIMEOUT
      }
      const [publisher, subscriber] = [make(settings), make(settings)]
      const close = (): void => {
        publisher.disconnect()
        subscriber.disconnect()
      }
      return session(events, [publisher, subscriber], close, async () => {
        await Promise.all([publisher.connect(), subscriber.connect()])
        subscriber.on('message', (_channel: string, text: string) => events.message(text))
        await subscriber.subscribe(channel)
        return { publish: text => publisher.publish(channel, text), close }
      })
    }
  }
}

/** @param make - creates a client that is not connected yet */
export function nodeRedisBus (make: (settings: object) => NodeRedisClient, channel: string): BusTransport {
  return {
    name: 'redis',
    async connect (events) {
      const settings = { disableOfflineQueue: true }
      const [publisher, subscriber] = [make(settings), make(settings)]
      const close = (): void => {
        for (const client of [publisher, subscriber]) if (client.isOpen) endOf(client)
      }
      return session(events, [publisher, subscriber], close, async () => {
        await Promise.all([publisher.connect(), subscriber.connect()])
        await subscriber.subscribe(channel, text => events.message(text))
        return { publish: text => publisher.publish(channel, text), close }
      })
    }
  }
}

function endOf (client: NodeRedisClient): void {
  if (client.destroy !== undefined) client.destroy()
  else Promise.resolve(client.disconnect()).catch(() => {})
}

/** Connects; a connection that fails, at once or later, is closed and reported. */
async function session (
  { lost }: BusEvents, clients: ReadonlyArray<IoredisClient | NodeRedisClient>, close: () => void, connect: () => Promise<BusSession>
): Promise<BusSession> {
  for (const client of clients) {
    // Without a listener for errors, the process would end.
    client.on('error', (error: unknown) => lost(error))
    client.on('end', () => lost('the connection ended'))
  }
  try {
    return await connect()
  } catch (error) {
    close()
    throw error
  }
}
