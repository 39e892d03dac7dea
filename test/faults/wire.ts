// What the fault matrix needs to know of a wire: where it is spoken, and how a yes looks in it.
import type { PermitOptions } from '../../src/index.js'

/** A wire between the plugin and a PDP. Another one is another object of this kind. */
export interface Wire {
  readonly name: string
  readonly single: string
  readonly bulk: string
  /** The field that decides, in an answer and in each item of a bulk answer. */
  readonly field: string
  /** The field of a bulk answer that holds the items. */
  readonly list: string
  /** Whether only what it says is tried, and not how: connections are the transport's business, which is one for all wires. */
  readonly answersOnly?: boolean
  /** The plugin's options for a PDP that speaks it. */
  options (url: string, token: string): Partial<PermitOptions>
  /** The keys of the resources that are asked about, in order. */
  keysOf (body: unknown, bulk: boolean): string[]
}

interface PermitQuestion { readonly resource: { readonly key: string } }

export const permitWire: Wire = {
  name: "Permit's wire",
  single: '/allowed',
  bulk: '/allowed/bulk',
  field: 'allow',
  list: 'allow',
  options: (pdp, token) => ({ pdp, token }),
  keysOf: (body, bulk) => (bulk ? body as PermitQuestion[] : [body as PermitQuestion]).map(({ resource }) => resource.key)
}

interface AuthzenQuestion { readonly resource?: { readonly id: string }, readonly evaluations?: AuthzenQuestion[] }

export const authzenWire: Wire = {
  name: 'AuthZEN',
  single: '/access/v1/evaluation',
  bulk: '/access/v1/evaluations',
  field: 'decision',
  list: 'evaluations',
  answersOnly: true,
  options: (pdp, token) => ({ pdp, token, protocol: 'authzen', authzen: { discovery: false, tenants: 'properties' } }),
  // What is the same for all stands at the top. The question about nothing, with which an app finds out whether a PDP is well, has no resource.
  keysOf: (body, bulk) => {
    const { resource, evaluations = [] } = body as AuthzenQuestion
    return (bulk ? evaluations.map(evaluation => evaluation.resource ?? resource) : [resource]).flatMap(resource => resource?.id ?? [])
  }
}

/** The wires that the matrix is for. */
export const wires: readonly Wire[] = [permitWire, authzenWire]
