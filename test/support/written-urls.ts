// URLs as attackers write them, and requests that are sent as they are written: clients would normalise the URL.
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'

/** Encoded, twice encoded, with dots, slashes, other cases, other characters. */
export function writtenUrls (...urls: readonly string[]): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(...urls), fc.array(fc.tuple(
    fc.constantFrom('encode', 'twice', 'upper', 'slash', 'dots', 'insert', 'query', 'tail'), fc.nat(30),
    fc.constantFrom('%2f', '%2F', '%5c', '\\', '//', '/./', '/../', '/%2e%2e/', '/x/..', ';', ';x=1', '%00', '%0a', '%20', '%c3%a9', '%ef%bd%81', '%ff', '.', '%', '?', '#', '+', '%3f', '%23', '::', '-', '\u0130')
  ), { maxLength: 3 })).map(([url, changes]) => changes.reduce<string>((url, [kind, at, text]) => {
    const index = 1 + at % url.length
    const char = url[index] ?? 'x'
    const code = `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`
    switch (kind) {
      case 'encode': return url.slice(0, index) + code + url.slice(index + 1)
      case 'twice': return url.slice(0, index) + code.replace('%', '%25') + url.slice(index + 1)
      case 'upper': return url.slice(0, index) + char.toUpperCase() + url.slice(index + 1)
      case 'slash': return `${url}/`
      case 'dots': return url.replace(/\/([^/]*)$/, `${text}/$1`)
      case 'query': return `${url}${url.includes('?') ? '&' : '?'}all=${text}&${text}`
      case 'tail': return url + text
      default: return url.slice(0, index) + text + url.slice(index)
    }
  }, url))
}

export async function sendWritten (port: number, url: string, user: string): Promise<{ status: number, body: string }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.end(`GET ${url} HTTP/1.1\r\nhost: admin.example\r\nx-user: ${user}\r\nconnection: close\r\n\r\n`)
  const answer = await text(socket)
  return { status: Number(answer.slice(9, 12)), body: answer.slice(answer.indexOf('\r\n\r\n')).trim() }
}
