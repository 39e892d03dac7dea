// What Permit's own PDP answers, recorded from the real thing: see the README beside this file.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { EngineQuery } from '../../src/engine/engine-query.js'
import type { Policy } from '../../src/index.js'

/** A question to `/allowed`, without a tenant where all tenants are asked about. */
export type VectorInput = Omit<EngineQuery, 'resource'> & { readonly resource: { type: string, key?: string, tenant?: string, attributes?: Record<string, unknown> } }

/** A world of Permit's published policy, run on a real OPA. */
export interface PolicyWorld {
  readonly policy: Policy
  readonly cases: ReadonlyArray<{ readonly input: EngineQuery, readonly allow: boolean, readonly rbac?: string, readonly abac?: string }>
  readonly lists: {
    readonly allTenants: ReadonlyArray<{ readonly input: VectorInput, readonly tenants: readonly string[] }>
    readonly userPermissions: ReadonlyArray<{ readonly user: string, readonly resource_types?: string[], readonly context?: Record<string, unknown>, readonly permissions: Record<string, string[]> }>
    readonly authorizedUsers: ReadonlyArray<{ readonly action: string, readonly resource: EngineQuery['resource'], readonly users: readonly string[] }>
  }
}

/** One request, and what Permit's server answered. */
export interface Exchange {
  readonly name?: string
  readonly path: string
  readonly method?: string
  readonly headers?: Record<string, string | null> | null
  readonly body?: unknown
  readonly status: number
  readonly answer?: unknown
}

/** A world behind Permit's server in Rust. */
export interface WireWorld { readonly policy: Policy, readonly exchanges: readonly Exchange[] }

/** A world behind the half of Permit's PDP that is in Python. */
export interface PythonWorld extends WireWorld { readonly mapping_rules: readonly unknown[], readonly with_mapping_rules: readonly Exchange[] }

export const policyWorlds = (): PolicyWorld[] => read('permit-policy')
export const wireWorlds = (): WireWorld[] => read('permit-wire')
export const pythonWorlds = (): PythonWorld[] => read('permit-python-half')

function read<T> (name: string): T[] {
  return JSON.parse(gunzipSync(readFileSync(new URL(`${name}.json.gz`, import.meta.url))).toString()) as T[]
}
