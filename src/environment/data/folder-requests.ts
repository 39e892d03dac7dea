// The first line of a connection to the process that has a data folder: what the other process asks for.
import type { Socket } from 'node:net'
import { BACKUP_REQUEST } from './backup-service.js'

/** The first character of a request to follow the facts, which is JSON. */
const FOLLOW = '{'

/** What a process that cannot share its folder answers. */
const NOT_SHARED = `${JSON.stringify({ refused: 'it does not share it' })}\n`

/** The longest request, bytes. */
const MAX_REQUEST = 1_024

/** A client has this long to send its request, ms. */
const PATIENCE_MS = 10_000

const NEWLINE = 0x0a

/** Handles the requests of other processes. Whatever follows the first line can be read from the socket. */
export interface FolderRequests {
  backup (socket: Socket): void
  /** Undefined when the folder is not shared. */
  readonly follow: ((socket: Socket, hello: string) => void) | undefined
}

/** Reads the request of a connection and has it handled. A process that only checks the lock sends nothing. */
export function readRequest (socket: Socket, { backup, follow }: FolderRequests): void {
  // No other process keeps this one alive.
  socket.unref()
  socket.setTimeout(PATIENCE_MS, () => socket.destroy())
  let asked = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    asked = Buffer.concat([asked, chunk])
    const end = asked.indexOf(NEWLINE)
    if (end === -1 && asked.length <= MAX_REQUEST) return
    const line = asked.toString('utf8', 0, end + 1)
    const isKnown = end !== -1 && end <= MAX_REQUEST && (line === BACKUP_REQUEST || line.startsWith(FOLLOW))
    if (!isKnown) {
      socket.destroy()
      return
    }
    socket.off('data', onData).pause()
    socket.removeAllListeners('timeout').setTimeout(0)
    if (asked.length > end + 1) socket.unshift(asked.subarray(end + 1))
    if (line === BACKUP_REQUEST) backup(socket)
    else if (follow !== undefined) follow(socket, line)
    else socket.end(NOT_SHARED)
  }
  socket.on('data', onData)
}
