// One process for one folder: a lock that the kernel lets go of when its holder dies, however it dies.
import { createHash, randomUUID } from 'node:crypto'
import { open, readdir, realpath, rm, type FileHandle } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { platform } from 'node:process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A lock that is held. */
export interface FolderLock {
  release (): Promise<void>
}

/** Takes a connection from another process. One that only asks whether the folder is locked says nothing, and is gone at once. */
type Serve = (socket: Socket) => void

/** Connections of other processes at a time. */
const MAX_CONNECTIONS = 16

/** Two that come at the same moment see each other and step back; one of them finds the other gone. */
const ATTEMPTS = 5
const MAX_BACKOFF = 100

const SOCKET = /^lock-[0-9a-f-]{36}\.sock$/

/**
 * Locks the folder; undefined when somebody else has it.
 *
 * Who holds it listens on a socket in the folder. A file with a process id in it outlives its process, and the id may be somebody
 * else's by then; a socket of a process that is gone refuses connections, and one of a process that is busy or stopped does not. The
 * name of a socket is never used again, so that one found dead can be removed by whoever finds it. Everybody listens first and looks
 * second: of two that come together at least one sees the other.
 *
 * The folder has to be on a disk of this machine: sockets do not reach over network file systems, nor does LMDB.
 */
export async function lockFolder (folder: string, serve: Serve = socket => socket.destroy()): Promise<FolderLock | undefined> {
  if (platform === 'win32') return lockByPipe(folder, serve)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const lock = await listenIn(folder, serve)
    try {
      if (!await isAnyoneElseIn(folder, lock.name)) return lock
    } catch (error) {
      await lock.release()
      throw error
    }
    await lock.release()
    if (attempt < ATTEMPTS) await delay(Math.random() * MAX_BACKOFF)
  }
  return undefined
}

/**
 * Connects to the process that holds the lock.
 *
 * @returns undefined when the folder is free
 * @throws when the process cannot be reached: it belongs to another user
 */
export async function connectToHolder (folder: string): Promise<Socket | undefined> {
  if (platform === 'win32') return connectTo(await pipeOf(folder))
  const address = await SocketAddress.in(folder)
  try {
    for (const name of await readdir(folder)) {
      const socket = SOCKET.test(name) ? await connectTo(address.of(name)) : undefined
      if (socket !== undefined) return socket
    }
    return undefined
  } finally {
    await address.close()
  }
}

async function listenIn (folder: string, serve: Serve): Promise<FolderLock & { readonly name: string }> {
  const name = `lock-${randomUUID()}.sock`
  const address = await SocketAddress.in(folder)
  try {
    const server = await listen(address.of(name), serve)
    return {
      name,
      async release () {
        await server.close()
        await address.close()
      }
    }
  } catch (error) {
    await address.close()
    throw error
  }
}

async function isAnyoneElseIn (folder: string, own: string): Promise<boolean> {
  const address = await SocketAddress.in(folder)
  try {
    for (const name of await readdir(folder)) {
      if (!SOCKET.test(name) || name === own) continue
      if (await answers(address.of(name))) return true
      await rm(join(folder, name), { force: true })
    }
    return false
  } finally {
    await address.close()
  }
}

/** Whether somebody listens there. What is not a clear no is a yes. */
async function answers (path: string): Promise<boolean> {
  try {
    const socket = await connectTo(path)
    socket?.destroy()
    return socket !== undefined
  } catch {
    return true
  }
}

/** Undefined when nobody listens there. */
async function connectTo (path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(undefined)
      else reject(error)
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      resolve(socket)
    })
  })
}

/** Addresses of sockets in a folder. The kernel takes some 100 characters, less than many paths have. */
class SocketAddress {
  readonly #prefix: string
  readonly #handle: FileHandle | undefined

  static async in (folder: string): Promise<SocketAddress> {
    if (platform !== 'linux') return new SocketAddress(folder)
    // The same folder by a short name.
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

/** Windows knows pipes by name, one listener each, gone with their process. */
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
    // Who is gone is gone.
    socket.on('error', () => {})
    serve(socket)
  })
  server.maxConnections = MAX_CONNECTIONS
  // A lock must not keep a process alive that has nothing else to do.
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // Exclusive: in a cluster a listener would otherwise be shared by all workers, and so would the lock.
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Nothing to do about it later: the lock is the socket being open.
  server.on('error', () => {})
  return {
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      for (const socket of connections) socket.destroy()
    })
  }
}
