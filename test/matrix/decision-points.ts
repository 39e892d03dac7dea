// The decision points of the matrix, each started with the same people and permissions.
import type { Test } from 'tap'
import { createLocalPdp } from '../../src/server/index.js'
import type { Policy } from '../../src/engine/policy/policy.js'
import type { PermitOptions } from '../../src/app/options/schema.js'
import { binary, startCerbos } from '../cerbos/server.js'

/** What says where decisions come from; the rest of the options is the matrix's. */
export type DecisionPointOptions = Omit<PermitOptions<never, never>, 'user' | 'tenant' | 'onDenied' | 'onDecision'>

export interface StartedDecisionPoint {
  readonly options: DecisionPointOptions
  /** Takes it away for good, as an outage does. Undefined where there is nothing that could go. */
  readonly vanish?: () => Promise<void>
  /** Ends it, when the cell is done; also after `vanish`. */
  stop (): Promise<void>
  /** Whether it takes writes. */
  readonly writes: boolean
}

export interface DecisionPointRow {
  readonly name: string
  /** Whether it can run here: a binary may not be there for every machine. Default: it can. */
  readonly available?: () => boolean
  start (t: Test): Promise<StartedDecisionPoint>
}

/**
 * Who may do what. A decision point that has another language says the same in it:
 * ann is an editor in `default`, vic a viewer in `default`, tess an editor in `tenant2`; eve has no role in a tenant, and may retrieve `task:7` and
 * no other; new@example.com is not known.
 */
export const MATRIX_POLICY: Policy = {
  resources: {
    task: {
      actions: { create: {}, retrieve: {}, delete: {}, list: {} },
      roles: { reader: { permissions: ['retrieve'] } }
    }
  },
  roles: {
    editor: { permissions: ['task:create', 'task:retrieve', 'task:delete', 'task:list'] },
    viewer: { permissions: ['task:retrieve', 'task:list'] }
  },
  tenants: { tenant2: {} },
  users: { ann: {}, vic: {}, tess: {}, eve: {} },
  role_assignments: [
    { user: 'ann', role: 'editor', tenant: 'default' },
    { user: 'vic', role: 'viewer', tenant: 'default' },
    { user: 'tess', role: 'editor', tenant: 'tenant2' },
    { user: 'eve', role: 'reader', resource_instance: 'task:7' }
  ],
  resource_instances: [{ resource: 'task', key: '7' }]
}

/** The same in Cerbos' words. It keeps no facts, so that the policy has them. */
const MATRIX_IN_CERBOS = [`
apiVersion: api.cerbos.dev/v1
derivedRoles:
  name: matrix
  definitions:
    - name: editor
      parentRoles: [user]
      condition: { match: { expr: '(P.id == "ann" && R.attr.tenant == "default") || (P.id == "tess" && R.attr.tenant == "tenant2")' } }
    - name: viewer
      parentRoles: [user]
      condition: { match: { expr: 'P.id == "vic" && R.attr.tenant == "default"' } }
    - name: reader
      parentRoles: [user]
      condition: { match: { expr: 'P.id == "eve" && R.attr.tenant == "default" && R.id == "7"' } }
`, `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: task
  version: default
  importDerivedRoles: [matrix]
  rules:
    - { actions: [create, delete], effect: EFFECT_ALLOW, derivedRoles: [editor] }
    - { actions: [list], effect: EFFECT_ALLOW, derivedRoles: [editor, viewer] }
    - { actions: [retrieve], effect: EFFECT_ALLOW, derivedRoles: [editor, viewer, reader] }
`]

const TOKEN = 'a-token-of-the-matrix'

/** A local PDP over HTTP, and the options that ask it. */
async function startLocalPdp (options: (url: string) => DecisionPointOptions): Promise<StartedDecisionPoint> {
  const pdp = createLocalPdp({ policy: MATRIX_POLICY, token: TOKEN })
  const url = await pdp.listen({ port: 0 })
  const vanish = async () => {
    pdp.server.closeAllConnections()
    await pdp.close()
  }
  return { options: options(url), writes: true, vanish, stop: vanish }
}

export const DECISION_POINTS: readonly DecisionPointRow[] = [
  {
    name: 'embedded',
    async start () {
      return { options: { policy: MATRIX_POLICY }, writes: true, stop: async () => {} }
    }
  },
  {
    name: 'Permit wire',
    start: () => startLocalPdp(pdp => ({ pdp, token: TOKEN }))
  },
  {
    name: 'AuthZEN, local PDP',
    // What is written goes to the facts of Permit's API, which AuthZEN does not have.
    start: async () => ({ ...await startLocalPdp(pdp => ({ pdp, token: TOKEN, protocol: 'authzen', authzen: 'permit' })), writes: false })
  },
  {
    name: 'AuthZEN, Cerbos',
    available: () => binary !== undefined,
    async start (t) {
      const cerbos = await startCerbos(t, { policies: MATRIX_IN_CERBOS })
      return { options: { pdp: cerbos.url, authzen: 'cerbos' }, writes: false, vanish: () => cerbos.kill(), stop: async () => {} }
    }
  }
]
