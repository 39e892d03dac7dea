// PostgreSQL as the bus: LISTEN and NOTIFY on one connection, by `pg`.
import type { PgClient, PgPool } from '../bus-target.js'
import type { BusEvents, BusSession, BusTransport } from '../bus-connection.js'

/** A connection, and how it is released. */
interface Connected {
  readonly client: PgClient
  release (): Promise<unknown> | void
}

/** @param connect - a connection of its own, that is connected */
export function postgresBus (connect: (events: BusEvents) => Promise<Connected>, channel: string): BusTransport {
  return {
    name: 'postgres',
    async connect (events) {
      const { client, release } = await connect(events)
      const notified = (notification: { readonly channel: string, readonly payload?: string }): void => {
        if (notification.channel === channel) events.message(notification.payload)
      }
      const failed = (error: unknown): void => events.lost(error)
      const ended = (): void => events.lost('the connection ended')
      client.on('notification', notified)
      client.on('error', failed)
      client.on('end', ended)
      // One after the other: `pg` will no longer queue queries by itself.
      let last: Promise<unknown> = Promise.resolve()
      const session: BusSession = {
        publish (text) {
          const published = last.then(() => client.query('SELECT pg_notify($1, $2)', [channel, text]))
          last = published.catch(() => {})
          return published
        },
        async close () {
          client.removeListener('notification', notified)
          client.removeListener('end', ended)
          try {
            await release()
          } finally {
            client.removeListener('error', failed)
          }
        }
      }
      try {
        await client.query(`LISTEN "${channel.replaceAll('"', '""')}"`)
        return session
      } catch (error) {
        await session.close()
        throw error
      }
    }
  }
}

/** One connection of the app's pool. It is destroyed when it is released, because it listens. */
export async function fromPool (pool: PgPool): Promise<Connected> {
  const client = await pool.connect()
  // Without a listener for errors, an error after its release would end the process.
  client.on('error', () => {})
  return { client, release: () => client.release(true) }
}

/** The app's only connection. It is shared, and stays open; when it ends, it cannot be replaced. */
export async function fromClient (client: PgClient, channel: string): Promise<Connected> {
  return {
    client,
    async release () {
      await client.query(`UNLISTEN "${channel.replaceAll('"', '""')}"`)
    }
  }
}
