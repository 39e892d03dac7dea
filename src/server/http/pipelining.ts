// Handles pipelined requests of a connection one after the other, so that other connections get their turn in between.
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

/** The most requests that may wait on one connection. Common clients do not pipeline more. */
const MAX_WAITING = 32

/**
 * Without this, Node starts all requests of a packet at once. Two thousand requests in one packet, each of them fast, would block all other
 * clients for a second.
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
