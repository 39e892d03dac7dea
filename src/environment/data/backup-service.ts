// Backups of a folder that is in use: the process that has the folder sends them to other processes, over the socket of its lock.
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { backupText, type Snapshot } from './backup-text.js'
import { drained } from '../../kit/socket-drain.js'

/** The request for a backup, one line. */
export const BACKUP_REQUEST = 'backup\n'

/** A client has this long to accept more data, ms. */
const PATIENCE_MS = 10_000

/** A snapshot that must be released. */
type Held = Snapshot & { release (): void }

export class BackupService {
  readonly #running = new Map<Socket, Promise<void>>()
  #snapshot: (() => Held) | undefined
  #isClosed = false

  /** Backups can be served from now on. Before, connections are closed without an answer. */
  open (snapshot: () => Held): void {
    this.#snapshot = snapshot
  }

  /** Sends a backup to the process that has requested it. */
  serve (socket: Socket): void {
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    // Anything more than the request is a mistake.
    socket.on('data', () => socket.destroy())
    this.#running.set(socket, this.#send(socket).finally(() => { this.#running.delete(socket) }))
  }

  /** Aborts the backups that are being sent. The receiver notices that the end is missing. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const socket of this.#running.keys()) socket.destroy()
    await Promise.all(this.#running.values())
  }

  async #send (socket: Socket): Promise<void> {
    const snapshot = this.#isClosed ? undefined : this.#snapshot?.()
    try {
      if (snapshot === undefined) return
      for (const text of backupText(snapshot)) {
        if (socket.destroyed) return
        if (!socket.write(text)) await drained(socket)
        // Decisions come first.
        await nextTurn()
      }
      socket.end()
      await ended(socket)
    } catch {
      // The receiver notices that the end is missing.
    } finally {
      snapshot?.release()
      socket.destroy()
    }
  }
}

function ended (socket: Socket): Promise<void> {
  return new Promise(resolve => {
    if (socket.destroyed) resolve()
    else socket.once('close', () => resolve())
  })
}
