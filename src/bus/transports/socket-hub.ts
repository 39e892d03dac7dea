// The hub at a socket: passes each line that it receives on to all connections, the sender included.
import { link, lstat, mkdir, rm, stat } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { readLines } from './socket-lines.js'

/** The most bytes that wait for one connection. A slow reader is closed; it reconnects and invalidates everything. */
const MAX_WAITING = 1024 * 1024

/** The most connections. */
const MAX_CONNECTIONS = 4_096

/** How often the hub checks whether the socket at its path is still its own, ms. */
const LOOK_EVERY = 500

export class SocketHub {
  readonly #server: Server
  readonly #path: string
  readonly #inode: number | undefined
  readonly #connections = new Set<Socket>()
  readonly #timer: NodeJS.Timeout

  private constructor (server: Server, path: string, inode: number | undefined) {
    this.#server = server
    this.#path = path
    this.#inode = inode
    server.maxConnections = MAX_CONNECTIONS
    server.on('connection', socket => this.#add(socket))
    // An error of the server as a whole closes connections, whose processes then find another hub.
    server.on('error', () => { this.close().catch(() => {}) })
    server.unref()
    this.#timer = setInterval(() => { this.#look().catch(() => {}) }, LOOK_EVERY)
    this.#timer.unref()
  }

  /** Listens at the path. When another process does so first, that is fine: the caller connects to that one. */
  static async listen (path: string): Promise<SocketHub | undefined> {
    if (process.platform === 'win32') {
      const server = await listening(path).catch(() => undefined)
      return server === undefined ? undefined : new SocketHub(server, path, undefined)
    }
    // A socket file stays when its process exits. The new one has another name first, so that no process finds a socket that is not ready.
    const own = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
    const server = await listening(own)
    const hub = new SocketHub(server, path, (await stat(own)).ino)
    try {
      await rm(path, { force: true })
      await link(own, path)
      return hub
    } catch {
      await hub.close()
      return undefined
    } finally {
      await rm(own, { force: true })
    }
  }

  async close (): Promise<void> {
    clearInterval(this.#timer)
    for (const socket of this.#connections) socket.destroy()
    if (await this.#isMine()) await rm(this.#path, { force: true })
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  /** Two processes may have found an old socket at once, and the later one has replaced that of the earlier one. */
  async #look (): Promise<void> {
    if (!await this.#isMine()) await this.close()
  }

  async #isMine (): Promise<boolean> {
    if (this.#inode === undefined) return true
    try {
      return (await stat(this.#path)).ino === this.#inode
    } catch {
      return false
    }
  }

  #add (socket: Socket): void {
    this.#connections.add(socket)
    socket.unref()
    readLines(socket, lines => this.#send(`${lines.join('\n')}\n`), () => {})
    socket.on('error', () => {})
    socket.on('close', () => this.#connections.delete(socket))
  }

  #send (lines: string): void {
    for (const socket of this.#connections) {
      if (socket.writableLength > MAX_WAITING) socket.destroy()
      else socket.write(lines)
    }
  }
}

function listening (path: string): Promise<Server> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

/** Creates a folder that only this user can enter, or checks that it is one: in a shared folder, another user could have made it. */
export async function privateFolder (path: string): Promise<string> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => { if ((error as { code?: unknown }).code !== 'EEXIST') throw error })
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
    throw new Error(`${path} belongs to another user, or others can enter it`)
  }
  return path
}
