// The processes of one machine that have the same parent as the bus: workers of `node:cluster`, and PM2's cluster mode.
import cluster from 'node:cluster'
import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BusEvents, BusSession, BusTransport } from '../bus-connection.js'
import { privateFolder, SocketHub } from './socket-hub.js'
import { readLines } from './socket-lines.js'

/** The most bytes that wait to be sent to the hub. */
const MAX_WAITING = 1024 * 1024

/** The parent process at the start of this one. It is kept, because the parent changes when the first one exits. */
const PARENT = cluster.isWorker ? process.ppid : process.pid

/**
 * The processes connect to a socket in the folder for temporary files. The first one listens and forwards every message to all. When it
 * exits, another one listens in its place. So the parent needs no code, and may exit, too.
 * @param secret - keeps apps of the same parent apart
 */
export function clusterBus (channel: string, secret: string): BusTransport {
  const name = createHash('sha256').update(JSON.stringify([PARENT, channel, secret])).digest('hex').slice(0, 16)
  return socketBus('cluster', async () => process.platform === 'win32'
    ? `\\\\.\\pipe\\fastify-permit-${name}`
    : join(await privateFolder(join(tmpdir(), `fastify-permit-${process.getuid?.() ?? 0}`)), `${name}.sock`))
}

/** @param where - the path of the socket */
export function socketBus (name: string, where: () => Promise<string>): BusTransport {
  let hub: SocketHub | undefined
  return {
    name,
    async connect (events) {
      const path = await where()
      let socket: Socket
      try {
        socket = await connected(path)
      } catch (error) {
        if (!isAbsent(error)) throw error
        // No process listens. When two try at once, one of them connects to the other.
        await hub?.close()
        hub = await SocketHub.listen(path)
        socket = await connected(path)
      }
      const own = hub
      return session(socket, events, async () => {
        if (own !== undefined && own === hub) {
          hub = undefined
          await own.close()
        }
      })
    }
  }
}

function connected (path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/** The socket does not exist, or its process has exited. */
function isAbsent (error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'ENOENT' || code === 'ECONNREFUSED'
}

function session (socket: Socket, { message, lost }: BusEvents, closed: () => Promise<void>): BusSession {
  // The app must not stay alive for the bus.
  socket.unref()
  readLines(socket, lines => { for (const line of lines) message(line) }, () => lost('a message is too long'))
  socket.on('error', error => lost(error))
  socket.on('close', () => lost('the connection ended'))
  return {
    publish: text => new Promise<void>((resolve, reject) => {
      if (socket.writableLength > MAX_WAITING) reject(new Error('too many messages are waiting to be sent'))
      else socket.write(`${text}\n`, error => error == null ? resolve() : reject(error))
    }),
    async close () {
      socket.destroy()
      await closed()
    }
  }
}
