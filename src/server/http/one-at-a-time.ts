// Requests of one connection that do not wait for each other's answers: they are handled one after the other, and others get their turn in between.
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

/** Requests that may wait on one connection. Clients that send more without waiting are no clients that anybody uses. */
const MAX_WAITING = 32

/**
 * Node hands over all the requests that one packet holds at once: two thousand of them, each quick by itself, are a second in which nobody else is served.
 */
export function oneAtATime (handler: RequestListener): RequestListener {
  const lines = new WeakMap<Socket, Array<() => void>>()
  return (request, response) => {
    const { socket } = request
    if (socket.destroyed) return
    const handle = (): void => {
      response.once('close', () => {
        const next = lines.get(socket)?.shift()
        if (next === undefined) lines.delete(socket)
        else setImmediate(next)
      })
      handler(request, response)
    }
    const line = lines.get(socket)
    if (line === undefined) {
      lines.set(socket, [])
      handle()
    } else if (line.length < MAX_WAITING) {
      line.push(handle)
    } else {
      socket.destroy()
    }
  }
}
