// Receives update reports of the PDP in an Express app.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { affectedBy, MAX_UPDATE_SIZE, UPDATES_HEADER } from '../decision/update-reports.js'
import { type UpdatesEndpoint } from '../decision/path-options.js'
import type { AffectedUsers } from '../contract/affected-users.js'
import { secretCheck } from '../kit/secret.js'

/** How long a report may take to arrive, ms. */
const ARRIVAL = 10_000

/**
 * Creates a function that answers update reports and ignores all other requests.
 * @returns the function; it returns whether it answers the request
 */
export function updatesHandler (
  { path, secret }: UpdatesEndpoint, changed: (affected: AffectedUsers) => void
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const isSecret = secretCheck(secret)
  return (request, response) => {
    if (request.method !== 'POST' || pathOf(request) !== path) return false
    const given = request.headers[UPDATES_HEADER]
    if (typeof given !== 'string' || !isSecret(given)) {
      answer(response, 401)
      return true
    }
    textOf(request).then(text => {
      if (text !== undefined) changed(affectedBy(text))
      answer(response, text === undefined ? 413 : 204)
    }, () => response.destroy())
    return true
  }
}

/** The path of the request within the app that uses `permit(…)`. */
function pathOf (request: IncomingMessage): string | undefined {
  return request.url?.split('?')[0]
}

/** Reads the body, or takes the body that a parser has read; undefined when it is too large. */
function textOf (request: IncomingMessage): Promise<string | undefined> {
  // A parser of the app has read the body already.
  const { body } = request as { body?: unknown }
  if (request.readableEnded || body !== undefined) return Promise.resolve(JSON.stringify(body) ?? '')
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => request.destroy(), ARRIVAL)
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      // The rest is read and dropped, because an answer before the end may be lost with the connection.
      if (size <= MAX_UPDATE_SIZE) chunks.push(chunk)
    })
    request.once('end', () => resolve(size > MAX_UPDATE_SIZE ? undefined : Buffer.concat(chunks).toString()))
    request.once('error', reject)
    request.once('close', () => {
      clearTimeout(timer)
      reject(new Error('the report was aborted'))
    })
  })
}

function answer (response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 }).end()
}
