// The lock of a data folder: one process per folder. The kernel releases the lock when the process ends, however it ends.
import { createHash, randomUUID } from 'node:crypto'
import { chmod, lstat, mkdtemp, open, readdir, realpath, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A lock that this process holds. */
export interface FolderLock {
  release (): Promise<void>
}

/** Handles a connection from another process. A process that only checks the lock sends nothing and disconnects at once. */
type Serve = (socket: Socket) => void

/** The most connections from other processes at a time. Each process that shares the folder has one. */
const MAX_CONNECTIONS = 1_024

/** Two processes that start at the same moment see each other and both release; after a random delay one of them gets the lock. */
const ATTEMPTS = 5
const MAX_BACKOFF = 100

const SOCKET = /^lock-[0-9a-f-]{36}\.sock$/

/** A folder in which a socket is created, before other users could reach it by a mode that is too wide. */
const NEW = '.lock-'

/** A folder of this age was left by a process that was killed, ms. */
const LEFT_AFTER = 60_000

/**
 * Locks the folder. Returns undefined when another process has the lock.
 *
 * The process that has the lock listens on a socket in the folder. A file with a process id would outlive its process, and the id may
 * then belong to another process. A socket whose process has ended refuses connections; that of a busy or stopped process does not. The
 * names of sockets are never reused, so any process may remove a dead one. Each process first listens and then looks for others: of two
 * that start together, at least one sees the other. Only the same user can connect.
 *
 * The folder must be on a local disk: sockets do not work over network file systems, and neither does LMDB.
 */
export async function lockFolder (
  folder: string, serve: Serve = socket => socket.destroy(), attempts = ATTEMPTS
): Promise<FolderLock | undefined> {
  if (process.platform === 'win32') return lockByPipe(folder, serve)
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const lock = await listenIn(folder, serve)
    try {
      if (!await isAnyoneElseIn(folder, lock.name)) return lock
    } catch (error) {
      await lock.release()
      throw error
    }
    await lock.release()
    if (attempt < attempts) await delay(Math.random() * MAX_BACKOFF)
  }
  return undefined
}

/**
 * Connects to the process that has the lock.
 *
 * @param sameUser - whether a process of another user is refused. A superuser could connect to it.
 * @returns undefined when no process has it
 * @throws when the process cannot be reached because it belongs to another user
 */
export async function connectToHolder (folder: string, { sameUser = false } = {}): Promise<Socket | undefined> {
  if (process.platform === 'win32') return connectTo(await pipeOf(folder))
  const address = await SocketAddress.in(folder)
  try {
    for (const name of await readdir(folder)) {
      const socket = SOCKET.test(name) ? await connectTo(address.of(name)) : undefined
      if (socket === undefined) continue
      if (!sameUser) return socket
      const owner = await ownerOf(join(folder, name)).catch((error: unknown) => {
        socket.destroy()
        throw error
      })
      if (owner === process.getuid?.()) return socket
      socket.destroy()
      // Without its file, the process is ending.
      if (owner !== undefined) throw new Error('it is in use by a process of another user')
    }
    return undefined
  } finally {
    await address.close()
  }
}

/** The user whose file it is; undefined for a missing one. */
async function ownerOf (path: string): Promise<number | undefined> {
  return lstat(path).then(({ uid }) => uid, (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
}

/**
 * Listens on a new socket in the folder. The umask could let other users connect to it until its mode is set. So it is created in a folder
 * that only this user may enter, and moved when it has its mode.
 */
async function listenIn (folder: string, serve: Serve): Promise<FolderLock & { readonly name: string }> {
  const name = `lock-${randomUUID()}.sock`
  const path = join(folder, name)
  const hidden = await mkdtemp(join(folder, NEW))
  const address = await SocketAddress.in(folder)
  try {
    const server = await listen(address.of(join(basename(hidden), 's')), serve)
    const release = async (): Promise<void> => {
      await rm(path, { force: true })
      await server.close()
    }
    try {
      await chmod(join(hidden, 's'), 0o600)
      await rename(join(hidden, 's'), path)
    } catch (error) {
      await release()
      throw error
    }
    return { name, release }
  } finally {
    await address.close()
    await rmdir(hidden).catch(() => {})
  }
}

async function isAnyoneElseIn (folder: string, own: string): Promise<boolean> {
  const address = await SocketAddress.in(folder)
  try {
    for (const name of await readdir(folder)) {
      if (name.startsWith(NEW)) await removeIfLeft(join(folder, name))
      if (!SOCKET.test(name) || name === own) continue
      if (await answers(address.of(name))) return true
      await rm(join(folder, name), { force: true })
    }
    return false
  } finally {
    await address.close()
  }
}

async function removeIfLeft (path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined && found.mtimeMs < Date.now() - LEFT_AFTER) await rm(path, { recursive: true, force: true })
}

/** Whether a process listens there. Anything but a clear no counts as yes. */
async function answers (path: string): Promise<boolean> {
  try {
    const socket = await connectTo(path)
    socket?.destroy()
    return socket !== undefined
  } catch {
    return true
  }
}

/** Connects; undefined when no process listens there. */
async function connectTo (path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    // The listener stays: the process that listens there may end before the caller has its own.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The kernel resets connections that nobody had accepted when the listening process ends.
      if (['ECONNREFUSED', 'ECONNRESET', 'ENOENT'].includes(error.code ?? '')) resolve(undefined)
      else reject(error)
    })
    socket.once('connect', () => resolve(socket))
  })
}

/** Addresses of sockets in a folder. The kernel allows about 100 characters, and many paths are longer. */
class SocketAddress {
  readonly #prefix: string
  readonly #handle: FileHandle | undefined

  static async in (folder: string): Promise<SocketAddress> {
    if (process.platform !== 'linux') return new SocketAddress(folder)
    // A short path to the same folder.
    const handle = await open(folder, 'r')
    return new SocketAddress(`/proc/self/fd/${handle.fd}`, handle)
  }

  private constructor (prefix: string, handle?: FileHandle) {
    this.#prefix = prefix
    this.#handle = handle
  }

  of (name: string): string {
    return join(this.#prefix, name)
  }

  async close (): Promise<void> {
    await this.#handle?.close()
  }
}

/** On Windows, named pipes have a single listener and disappear with their process. */
async function lockByPipe (folder: string, serve: Serve): Promise<FolderLock | undefined> {
  try {
    const server = await listen(await pipeOf(folder), serve)
    return { release: () => server.close() }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}

async function pipeOf (folder: string): Promise<string> {
  const digest = createHash('sha256').update((await realpath(folder)).toLowerCase()).digest('hex')
  return `\\\\.\\pipe\\fastify-permit-${digest}`
}

async function listen (path: string, serve: Serve): Promise<{ close (): Promise<void> }> {
  const connections = new Set<Socket>()
  const server = createServer(socket => {
    connections.add(socket)
    socket.once('close', () => { connections.delete(socket) })
    // A client that has disconnected needs no answer.
    socket.on('error', () => {})
    serve(socket)
  })
  server.maxConnections = MAX_CONNECTIONS
  // The lock alone must not keep the process alive.
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // Exclusive: in a cluster, all workers would otherwise share the listener, and with it the lock.
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Errors after this point can be ignored: the open socket is the lock.
  server.on('error', () => {})
  return {
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of connections) socket.destroy()
    })
  }
}
