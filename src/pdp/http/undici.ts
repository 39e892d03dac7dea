// The parts of undici that the transport uses. Its index also loads fetch, WebSocket, caches and mocks, which take three quarters of the
// time to load it, and ten megabytes.
import type * as undici from 'undici'

export type Undici = Pick<typeof undici, 'Client' | 'Pool' | 'buildConnector'>

let loading: Promise<Undici> | undefined

/** Loads undici. */
export function loadUndici (): Promise<Undici> {
  loading ??= loadParts().catch(() => import('undici'))
  return loading
}

/** Rejects when a version of undici keeps its parts elsewhere. */
async function loadParts (): Promise<Undici> {
  const [{ default: Pool }, { default: Client }, { default: buildConnector }] = await Promise.all([
    import('undici/lib/dispatcher/pool.js'), import('undici/lib/dispatcher/client.js'), import('undici/lib/core/connect.js')
  ])
  return { Pool, Client, buildConnector }
}
