// The parts of undici that the transport uses. Its index also loads fetch, WebSocket, caches and mocks, which take three quarters of the
// time to load it, and ten megabytes.
import { createRequire } from 'node:module'
import type * as undici from 'undici'

export type Undici = Pick<typeof undici, 'Client' | 'Pool' | 'buildConnector'>

let loading: Promise<Undici> | undefined

/** Loads undici. */
export function loadUndici (): Promise<Undici> {
  loading ??= loadParts().catch(() => import('undici'))
  return loading
}

/** Rejects when a version of undici keeps its parts elsewhere, or when a bundler has put undici into the app's own file. */
async function loadParts (): Promise<Undici> {
  // The parts are CommonJS. An `import()` of each would first search it for the names of its exports, which takes longer than to run it.
  const require = createRequire(import.meta.url)
  return {
    Pool: require('undici/lib/dispatcher/pool.js') as typeof undici.Pool,
    Client: require('undici/lib/dispatcher/client.js') as typeof undici.Client,
    buildConnector: require('undici/lib/core/connect.js') as typeof undici.buildConnector
  }
}
