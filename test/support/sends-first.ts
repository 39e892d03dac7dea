// A client that sends all of a request before it reads any of the answer, as simple clients do: what the server does meanwhile must not cost it the answer.
import { once } from 'node:events'
import { connect } from 'node:net'

const CHUNK = 'x'.repeat(64 * 1024)

export interface Body {
  /** Bytes to send. */
  readonly size: number
  readonly chunked?: boolean
  /** What to send after it. */
  readonly then?: string
}

/** The answer, as it comes over the wire. Rejects when it does not come as a whole. */
export async function sendFirst (url: string, head: string, { size, chunked = false, then = '' }: Body): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // From here on an error ends this: it is not read before everything has been sent.
  const closed = once(socket, 'close')
  const failed = new Promise<never>((_resolve, reject) => socket.once('error', reject))
  failed.catch(() => {})
  socket.pause()
  socket.write(`${head}\r\n`)
  for (let sent = 0; sent < size; sent += CHUNK.length) {
    const part = CHUNK.slice(0, size - sent)
    if (!socket.write(chunked ? `${part.length.toString(16)}\r\n${part}\r\n` : part)) await Promise.race([once(socket, 'drain'), failed])
  }
  await Promise.race([new Promise<void>(resolve => socket.end(`${chunked ? '0\r\n\r\n' : ''}${then}`, resolve)), failed])
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).resume()
  await Promise.race([closed, failed])
  return text
}
