// Splits what a socket of the bus receives into lines, which are bounded.
import type { Socket } from 'node:net'
import { MAX_MESSAGE } from '../bus-message.js'

/**
 * @param take - gets complete lines, at least one
 * @param tooLong - called when a line is longer than a message can be; the connection is closed then
 */
export function readLines (socket: Socket, take: (lines: readonly string[]) => void, tooLong: () => void): void {
  socket.setEncoding('utf8')
  let rest = ''
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (lines.length > 0) take(lines)
    if (rest.length <= MAX_MESSAGE) return
    tooLong()
    socket.destroy()
  })
}
