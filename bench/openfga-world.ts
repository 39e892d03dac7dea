// What the benchmark of OpenFGA asks: users of tenants read documents of their tenant.

export const TENANTS = 100
/** Users in each tenant, and documents. */
const EACH = 100

export interface OpenfgaAppSettings {
  readonly variant: string
  readonly url: string
  readonly store: string
  readonly model: string
  /** How many questions there are before they repeat. */
  readonly different: number
}

export interface Question { readonly user: string, readonly tenant: string, readonly key: string }

/** How many questions there are. */
export const QUESTIONS = TENANTS * EACH * EACH

/** All are allowed. */
export function questionAt (index: number): Question {
  const tenant = index % TENANTS
  return {
    user: `user${tenant}-${Math.floor(index / TENANTS) % EACH}`,
    tenant: `tenant${tenant}`,
    key: String(Math.floor(index / (TENANTS * EACH)) % EACH)
  }
}

interface Tuple { readonly user: string, readonly relation: string, readonly object: string }

/** 20,000: each user is a viewer of a tenant, and each document belongs to one. */
export function tuples (): readonly Tuple[] {
  return Array.from({ length: TENANTS }, (_, tenant) => Array.from({ length: EACH }, (_, each) => [
    { user: `user:user${tenant}-${each}`, relation: 'viewer', object: `tenant:tenant${tenant}` },
    { user: `tenant:tenant${tenant}`, relation: 'tenant', object: `document:tenant${tenant}/${each}` }
  ])).flat(2)
}
