// Permit's PDP over HTTP as a decision point: its wire, and nothing believed that was not checked.
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { PdpError, UnavailableError } from '../../contract/errors.js'
import type { BatchingPdp, Decision, Health, PermissionsQuestion, Query, UserPermissions } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import { probeAtBoot } from '../http/boot.js'
import type { Probe, ProbingTransport, TransportLog } from '../http/transport.js'

// `result` beside `allow` is for old SDKs and never read: one field decides.
const AllowedAnswer = Compile(Type.Object({ allow: Type.Boolean(), debug: Type.Optional(Type.Unknown()) }))

const PermissionsAnswer = Compile(Type.Record(Type.String(), Type.Object({
  tenant: Type.Optional(Type.Object({ key: Type.String(), attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown())) })),
  resource: Type.Optional(Type.Object({
    type: Type.String(), key: Type.String(), attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown()))
  })),
  permissions: Type.Array(Type.String()),
  roles: Type.Optional(Type.Array(Type.String()))
})))

/** Finds out whether a Permit PDP is well: a question about nothing, which goes the way of a question and needs the token. */
export const permitProbe: Probe = { method: 'POST', path: '/allowed/bulk', body: '[]', read: answer => readDecisions(answer, 0) }

/**
 * Asks Permit's PDP (container or local PDP) by its own wire: `POST /allowed`, `POST /allowed/bulk` and `POST /user-permissions`.
 * @param transport with {@link permitProbe} as its probe
 * @param log hears at boot of a token that is refused and of a PDP that is not there
 */
export function permitPdp (transport: ProbingTransport, log?: TransportLog): BatchingPdp {
  const states = () => transport.stats().replicas.map(({ url, state }) => ({ url, state }))

  return {
    name: transport.name,
    slots: transport.slots,

    // A PDP that is not there yet must not keep the app from starting: what is asked meanwhile is 503.
    async open () {
      if (log !== undefined) await probeAtBoot(transport, log)
    },

    peek: () => undefined,

    async decide (query, deadline, trace): Promise<Decision> {
      try {
        if (trace !== undefined) trace.source = 'pdp'
        return await transport.send({ method: 'POST', path: '/allowed', body: JSON.stringify(toWire(query)), deadline, read: readDecision })
      } catch (error) {
        throw new UnavailableError(error)
      }
    },

    async decideAll (queries, deadline): Promise<readonly Decision[]> {
      try {
        return await transport.send({
          method: 'POST',
          path: '/allowed/bulk',
          body: JSON.stringify(queries.map(toWire)),
          deadline,
          read: answer => readDecisions(answer, queries.length)
        })
      } catch (error) {
        throw new UnavailableError(error)
      }
    },

    async permissions (question, deadline): Promise<UserPermissions> {
      try {
        return await transport.send({
          method: 'POST', path: '/user-permissions', body: JSON.stringify(permissionsToWire(question)), deadline, read: readPermissions
        })
      } catch (error) {
        throw new UnavailableError(error)
      }
    },

    async health (deadline): Promise<Health> {
      try {
        await transport.send({ method: 'GET', path: '/healthy', deadline, read: () => {} })
        return { ok: true, pdp: transport.name, replicas: states() }
      } catch (error) {
        return { ok: false, pdp: transport.name, reason: error instanceof Error ? error.message : 'unknown', replicas: states() }
      }
    },

    stats: () => ({ pdp: transport.stats() }),
    close: deadline => transport.close(deadline)
  }
}

function toWire ({ user, action, resource, context }: Query) {
  return { user, action, resource, context: context ?? {} }
}

function permissionsToWire ({ user, tenants, resources, resourceTypes, context }: PermissionsQuestion) {
  return { user, tenants, resources, resource_types: resourceTypes, context: context ?? {} }
}

/** An answer to `/allowed`, believed only when `allow` is a boolean of its own. */
function readDecision (answer: unknown): Decision {
  if (!AllowedAnswer.Check(answer) || !Object.hasOwn(answer, 'allow')) {
    throw new PdpError('answer', 'the PDP answered /allowed without a boolean "allow"')
  }
  const { allow, debug } = answer
  return { allow: allow === true, ...readReason(allow, debug), debug }
}

/** A bulk answer, believed only whole: one decision for each query. An older PDP answers `[]` when it failed inside. */
function readDecisions (answer: unknown, count: number): readonly Decision[] {
  if (!isRecord(answer) || !Array.isArray(answer.allow) || answer.allow.length !== count) {
    throw new PdpError('answer', `the PDP answered /allowed/bulk without a decision for each of ${count} queries`)
  }
  return answer.allow.map(readDecision)
}

function readPermissions (answer: unknown): UserPermissions {
  if (!PermissionsAnswer.Check(answer)) throw new PdpError('answer', 'the PDP answered /user-permissions in a shape that it does not have')
  return answer
}

/** Codes of RBAC that say more than what the other models add. */
const RBAC_FIRST: ReadonlySet<string> = new Set(['no_permission', 'no_such_resource', 'no_such_action', 'no_such_tenant', 'user_not_synced'])

/** A PDP's words are cut to this: they are kept in the cache and written to logs. */
const MAX_REASON = 300

/**
 * The reason, out of the debug output, as the engine gives it: of a yes, the first model's that says yes; of a no,
 * RBAC's when it names what is not known or roles were looked at in vain, else that of the last model that had a say. What is missing or of another
 * shape gives no reason, never an error: the decision stands by itself.
 */
export function readReason (allow: boolean, debug: unknown): Pick<Decision, 'code' | 'reason'> {
  if (!isRecord(debug)) return {}
  const { rbac, abac, rebac } = debug
  const first = isRecord(rbac) && typeof rbac.code === 'string' && RBAC_FIRST.has(rbac.code)
  // ABAC that names no sets had nothing to say: no rule is about the permission.
  const inOrder = isRecord(abac) && Array.isArray(abac.matching_usersets) ? [rebac, abac, rbac] : [rebac, rbac, abac]
  for (const part of allow || first ? [rbac, rebac, abac] : inOrder) {
    if (isRecord(part) && part.allow === allow && typeof part.code === 'string') {
      return { code: cut(part.code), reason: typeof part.reason === 'string' ? cut(part.reason) : undefined }
    }
  }
  return {}
}

/** A short text as it is, a long one cut and copied: a slice alone would keep the whole text in memory. */
export function cut (text: string): string {
  return text.length <= MAX_REASON ? text : Buffer.from(text.slice(0, MAX_REASON)).toString()
}
