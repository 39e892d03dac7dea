// A local PDP on a real socket, asked by fetch.
import type { Test } from 'tap'
import { createLocalPdp, type LocalPdpOptions } from '../../src/server/index.js'
import type { Policy } from '../../src/index.js'

export const TOKEN = 'secret-token-of-the-tests'

/** A policy with something of each model. */
export const POLICY: Policy = {
  resources: {
    task: {
      actions: { read: {}, write: {}, approve: {} },
      roles: { owner: { permissions: ['write'] } }
    }
  },
  roles: { viewer: { permissions: ['task:read'] } },
  user_sets: { adults: { conditions: { 'user.age': { 'greater-than': 17 } } } },
  set_rules: [{ user_set: 'adults', permission: 'task:approve', resource_set: 'task' }],
  tenants: { acme: { attributes: { plan: 'gold' } } },
  users: { ada: { attributes: { age: 36 } }, bob: {} },
  role_assignments: [
    { user: 'ada', role: 'viewer', tenant: 'acme' },
    { user: 'bob', role: 'owner', resource_instance: 'task:1' }
  ]
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body, parsed; undefined when it is no JSON. */
  readonly json: unknown
}

/** Asks, with the token unless told otherwise. */
export async function ask (url: string, method: string, path: string, body?: unknown, headers: Record<string, string | undefined> = {}): Promise<Answer> {
  const all = { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }
  const given = Object.entries(all).filter((header): header is [string, string] => header[1] !== undefined)
  const answer = await fetch(url + path, { method, headers: given, body: body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, json: parse(text) }
}

/** A local PDP that is closed when the test is over, and ways to ask it. */
export async function pdpFor (t: Test, options: LocalPdpOptions = {}) {
  const app = createLocalPdp({ token: TOKEN, policy: POLICY, ...options })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0 })
  return {
    app,
    url,
    get: (path: string, headers?: Record<string, string | undefined>) => ask(url, 'GET', path, undefined, headers),
    post: (path: string, body: unknown, headers?: Record<string, string | undefined>) => ask(url, 'POST', path, body, headers),
    send: (method: string, path: string, body?: unknown, headers?: Record<string, string | undefined>) => ask(url, method, path, body, headers)
  }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
