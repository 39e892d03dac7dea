// The path at which the PDP reports that something has changed, for an app that is Express's.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { affectedBy, MAX_UPDATE_SIZE, UPDATES_HEADER } from '../decision/updates.js'
import { type UpdatesEndpoint } from '../decision/origin.js'
import type { AffectedUsers } from '../contract/affected-users.js'
import { secretCheck } from '../kit/secret.js'

/** Ms that a report may take to arrive. */
const ARRIVAL = 10_000

/**
 * Answers the PDP's reports, and says of every other request that it is none of its business.
 * @returns whether it answers the request
 */
export function updatesHandler ({ path, secret }: UpdatesEndpoint, changed: (affected: AffectedUsers) => void): (request: IncomingMessage, response: ServerResponse) => boolean {
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

/** Within the app that `permit(…)` is used in. */
function pathOf (request: IncomingMessage): string | undefined {
  return request.url?.split('?')[0]
}

/** The body, however it was read; undefined for one that is too large. */
async function textOf (request: IncomingMessage): Promise<string | undefined> {
  // A parser of the app was there first.
  const { body } = request as { body?: unknown }
  if (request.readableEnded || body !== undefined) return JSON.stringify(body) ?? ''
  const timer = setTimeout(() => request.destroy(), ARRIVAL)
  try {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_UPDATE_SIZE) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  } finally {
    clearTimeout(timer)
  }
}

function answer (response: ServerResponse, status: number): void {
  if (status === 413) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-length': 0 }).end()
}
