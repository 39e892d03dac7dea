// Permit's PDP over HTTP as a decision point: writes its wire format, and validates every response.
import { PdpError, UnavailableError, pdpErrorOf } from '../../contract/errors.js'
import type { BatchingPdp, BulkAnswer, Decision, Health, PermissionsQuestion, Query, UserPermissions } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import { decidedAnew, firstHeaders, type Forgotten } from '../caller-headers.js'
import { readReason } from '../debug-reason.js'
import { mayLackSomething, saysNo, someSayNo, yesesAnd } from '../is-denial.js'
import { undecided } from '../undecided-error.js'
import { probeAtBoot, type SettingNames } from '../http/boot-probe.js'
import type { Probe, ProbingTransport, TransportLog } from '../http/transport.js'
import type { How, Post } from './local-pdp-call.js'
import { allowedAnswer, permissionsAnswer } from './permit-answer-schema.js'
import { queryText, urlText } from './query-text.js'
import { unsendable } from '../sendable-queries.js'

/** Probes a Permit PDP with an empty bulk check, which takes the same path as a check and requires the token. */
export const permitProbe: Probe = { method: 'POST', path: '/allowed/bulk', body: '[]', read: answer => readDecisions(answer, 0) }

/**
 * Checks permissions at Permit's PDP (container or local PDP) by its own wire format: `POST /allowed`, `POST /allowed/bulk` and
 * `POST /user-permissions`.
 * @param transport has {@link permitProbe} as its probe
 * @param log gets a line at boot when the token is rejected or the PDP is unreachable
 * @param forgotten - whether a decision must bypass the PDP's cache
 * @param named - what the app sets for the URL and the token, for messages
 */
export function permitPdp (
  transport: ProbingTransport, log?: TransportLog, forgotten: Forgotten = () => false, named?: SettingNames
): BatchingPdp {
  const states = () => transport.stats().replicas.map(({ url, state }) => ({ url, state }))

  async function postText<T> (path: string, body: string, deadline: number, read: (answer: unknown) => T, how?: How<T>): Promise<T> {
    try {
      return await transport.send({ method: 'POST', path, body, deadline, read, needsReadyPdp: mayLackSomething, ...how })
    } catch (error) {
      throw new UnavailableError(error)
    }
  }

  // A list may be about many users.
  const post: Post = (path, body, deadline, read, how) =>
    postText(path, JSON.stringify(body), deadline, read, forgotten() ? { ...how, headers: decidedAnew(how?.headers) } : how)

  const permissions = (question: PermissionsQuestion, deadline: number, signal?: AbortSignal): Promise<UserPermissions> =>
    post('/user-permissions', permissionsToWire(question), deadline, readPermissions, { signal })
  let plans: Promise<NonNullable<BatchingPdp['plan']>> | undefined
  let searches: Promise<NonNullable<BatchingPdp['search']>> | undefined

  return {
    name: transport.name,
    slots: transport.slots,

    // An unreachable PDP must not keep the app from starting. Until the PDP is up, checks get 503.
    async open () {
      if (log !== undefined) await probeAtBoot(transport, log, { named, rejections: WITHOUT_BULK })
    },

    peek: () => undefined,
    decidesUrls: true,

    async decide (query, deadline, trace, caller): Promise<Decision> {
      if (trace !== undefined) trace.source = 'pdp'
      const headers = forgotten(query.user.key) ? decidedAnew(caller?.headers) : caller?.headers
      const how = { needsReadyPdp: saysNo, headers }
      const text = query.url === undefined ? queryText(query) : urlText(query, query.url)
      const error = unsendable(text)
      if (error !== undefined) throw new UnavailableError(error)
      return query.url === undefined
        ? postText('/allowed', text, deadline, readDecision, how)
        : postText('/allowed_url', text, deadline, readUrlDecision, how)
    },

    async decideAll (queries, deadline, callers): Promise<readonly BulkAnswer[]> {
      // There is no bulk request for URLs.
      if (queries.some(({ url }) => url !== undefined)) {
        return Promise.all(queries.map((query, index) => this.decide(query, deadline, undefined, callers?.[index]).catch(errorOf)))
      }
      const answers = new Array<BulkAnswer>(queries.length)
      const own = firstHeaders(callers)
      const headers = forgotten() && queries.some(({ user }) => forgotten(user.key)) ? decidedAnew(own) : own
      const how: How<readonly BulkAnswer[]> = {
        needsReadyPdp: someSayNo, withoutDenials: (answers, error) => yesesAnd(error, answers), headers
      }
      await Promise.all(bulksOf(queries, answers).map(async ({ places, text }) => {
        const read = (answer: unknown): readonly BulkAnswer[] => readDecisions(answer, places.length)
        const found = await postText('/allowed/bulk', `[${text}]`, deadline, read, how)
        for (let index = 0; index < places.length; index++) answers[places[index] as number] = found[index] as BulkAnswer
      }))
      return answers
    },

    permissions: (question, deadline) => permissions(question, deadline),

    async plan (question, deadline) {
      plans ??= import('./permit-plan.js').then(({ permitPlans }) => permitPlans(post, permissions))
      return (await plans)(question, deadline)
    },

    async * search (question, asking) {
      searches ??= import('./permit-search.js').then(({ permitSearch }) => permitSearch(post, permissions, transport.name))
      yield * (await searches)(question, asking)
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

/** Older PDPs have no bulk endpoint, and answer checks. */
const WITHOUT_BULK: ReadonlySet<number> = new Set([404, 405])

/** The most characters in one bulk request with more than one question. */
const MAX_BULK = 256 * 1024

interface Bulk {
  readonly places: number[]
  text: string
}

/** Puts questions into bulk requests, most into one. Those that cannot be sent are answered. */
function bulksOf (queries: readonly Query[], answers: BulkAnswer[]): readonly Bulk[] {
  let bulk: Bulk = { places: [], text: '' }
  const bulks = [bulk]
  for (let place = 0; place < queries.length; place++) {
    const text = queryText(queries[place] as Query)
    const error = unsendable(text)
    if (error !== undefined) {
      answers[place] = error
      continue
    }
    if (bulk.places.length > 0 && bulk.text.length + text.length > MAX_BULK) bulks.push(bulk = { places: [], text: '' })
    bulk.text += bulk.places.length === 0 ? text : `,${text}`
    bulk.places.push(place)
  }
  return bulks.filter(({ places }) => places.length > 0)
}

/** The PDP's error behind a failed check, as the answer to one of many queries. */
function errorOf (error: unknown): PdpError {
  const cause = pdpErrorOf(error)
  if (cause === undefined) throw error
  return cause
}

function permissionsToWire ({ user, tenants, resources, resourceTypes, context }: PermissionsQuestion) {
  return { user, tenants, resources, resource_types: resourceTypes, context: context ?? {} }
}

/**
 * Reads a response to `/allowed`. It is valid only if `allow` is an own property and a boolean.
 * @throws `PdpError` when it is not valid, or says that the PDP could not decide
 */
function readDecision (answer: unknown): Decision {
  const read = readAnswer(answer)
  if (read instanceof PdpError) throw read
  return read
}

function readAnswer (answer: unknown): BulkAnswer {
  if (!allowedAnswer.Check(answer) || !Object.hasOwn(answer, 'allow')) {
    throw new PdpError('answer', 'the PDP\'s response to /allowed has no boolean "allow"')
  }
  const { allow, debug, error } = answer
  // Older PDPs answer `{ allow: false, debug: 'OPA not responding' }` after an internal error.
  if (typeof debug === 'string') return undecided(debug)
  if (error !== undefined && error !== null && error !== false) return undecided(typeof error === 'string' ? error : undefined)
  if (debug === undefined || debug === null) return allow === true ? ALLOW : DENY
  return { allow: allow === true, ...readReason(allow, debug), debug }
}

/** Reads a response to `/allowed_url`, which says in its debug output that no rule matched, and then lists all of them. */
function readUrlDecision (answer: unknown): Decision {
  const decision = readDecision(answer)
  const { allow, debug } = decision
  if (allow || !isRecord(debug) || !Array.isArray(debug.mapping_rules)) return decision
  return { allow, code: 'no_url_mapping', reason: 'no URL mapping rule matches the method and the URL' }
}

/** What a PDP without debug output says, which is most of what is said. */
const ALLOW: Decision = Object.freeze({ allow: true })
const DENY: Decision = Object.freeze({ allow: false })

/** Reads a bulk response. It is valid only with one decision for each query. An older PDP sends `[]` after an internal error. */
function readDecisions (answer: unknown, count: number): readonly BulkAnswer[] {
  if (!isRecord(answer) || !Array.isArray(answer.allow) || answer.allow.length !== count) {
    throw new PdpError('answer', `the PDP's response to /allowed/bulk does not have one decision for each of ${count} queries`)
  }
  return answer.allow.map(readAnswer)
}

function readPermissions (answer: unknown): UserPermissions {
  if (!permissionsAnswer.Check(answer)) throw new PdpError('answer', "the PDP's response to /user-permissions has an unexpected shape")
  return answer
}
