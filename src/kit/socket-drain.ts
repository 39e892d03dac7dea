// Waiting for a socket to take more.
import type { Socket } from 'node:net'

/** Resolves when the socket takes more, or is closed. */
export function drained (socket: Socket): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.once('drain', done).once('close', done)
    if (socket.destroyed) done()
  })
}
