// Keeps the latest decisions for the inspector: a ring of fixed size. While nobody watches, a decision costs one small object.
import { codeOf, pdpErrorOf } from '../contract/errors.js'
import type { Decision, Query } from '../contract/point.js'
import { shorten } from '../kit/shorten.js'
import type { CheckObserver, CheckOutcome, ListOutcome, ListQuestion } from '../observe/observation.js'
import type { InspectorRow } from './inspector-row.js'

/** The most decisions that are kept. */
export const MAX_KEPT = 1_000

/** Characters of a text, and of attribute values. */
const MAX_TEXT = 512
const MAX_VALUES = 4_096

/** Values, and characters of texts, in a question that is kept. */
const MAX_KEPT_VALUES = 256
const MAX_KEPT_TEXT = 16_384

/** What the feed asks of the framework. */
export interface FeedOptions {
  /** Whether a check belongs to a request for the inspector itself. Such checks are left out. */
  readonly isOwn: (asker: object) => boolean
  /** The route of a request as declared, such as `GET /tasks/:id`. */
  readonly routeOf: (asker: object) => string | undefined
  /** Whether attribute values are shown. */
  readonly attributes: boolean
}

/** A decision that is kept. The JSON is made when the first browser gets it. */
interface Entry {
  readonly row: Omit<InspectorRow, 'values'>
  readonly query: Query | undefined
  json: string | undefined
}

/** The feed of one registration of the plugin. */
export class DecisionFeed implements CheckObserver {
  readonly #options: FeedOptions
  /** A decision has the place of its id modulo the size. */
  readonly #ring = new Array<Entry | undefined>(MAX_KEPT)
  /** The id of the next decision. */
  #next = 1
  /** How many browsers watch. Only then are reasons read that must be computed. */
  watchers = 0

  constructor (options: FeedOptions) {
    this.#options = options
  }

  /** The id of the latest decision; 0 before the first one. */
  get last (): number {
    return this.#next - 1
  }

  /** The id of the oldest decision that is kept. */
  get first (): number {
    return Math.max(1, this.#next - MAX_KEPT)
  }

  ended (query: Query, { decision, error, source, duration }: CheckOutcome, asker: object | undefined): void {
    if (asker !== undefined && this.#options.isOwn(asker)) return
    const { user, action, resource } = query
    this.#keep({
      id: this.#next,
      time: Date.now(),
      kind: 'check',
      user: bounded(user.key),
      action: bounded(action),
      resource: bounded(resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`),
      tenant: bounded(resource.tenant),
      outcome: decision === undefined ? 'none' : decision.allow === true ? 'yes' : 'no',
      code: boundedIf(decision?.code),
      reason: boundedIf(this.#reasonOf(decision)),
      failure: pdpErrorOf(error)?.failure,
      source,
      duration,
      route: this.#routeOf(asker)
    }, isSmall(query) ? query : undefined)
  }

  listEnded (question: ListQuestion, { rows, found, error, aborted, source, duration }: ListOutcome, asker: object | undefined): void {
    if (asker !== undefined && this.#options.isOwn(asker)) return
    const { kind, user = '', action = '', resource = '', tenant = '' } = question
    this.#keep({
      id: this.#next,
      time: Date.now(),
      kind,
      user: bounded(user),
      action: bounded(action),
      resource: bounded(resource),
      tenant: bounded(tenant),
      outcome: rows === undefined ? 'none' : rows === 'none' ? 'no' : 'yes',
      rows,
      found,
      code: aborted === true ? 'aborted' : error === undefined ? undefined : codeOf(error),
      failure: pdpErrorOf(error)?.failure,
      source,
      duration,
      route: this.#routeOf(asker)
    }, undefined)
  }

  /** A decision as JSON; undefined when it is no longer kept, or not made yet. */
  json (id: number): string | undefined {
    if (id < this.first || id > this.last) return undefined
    const entry = this.#ring[id % MAX_KEPT] as Entry
    return (entry.json ??= this.#jsonOf(entry))
  }

  /** A decision with its question, unless that is too large to be kept; undefined as for {@link DecisionFeed.json}. */
  kept (id: number): { readonly row: Omit<InspectorRow, 'values'>, readonly query: Query | undefined } | undefined {
    return id < this.first || id > this.last ? undefined : this.#ring[id % MAX_KEPT]
  }

  #jsonOf ({ row, query }: Entry): string {
    return JSON.stringify({ ...row, values: this.#options.attributes ? valuesOf(query) : undefined } satisfies InspectorRow)
  }

  #keep (row: Entry['row'], query: Query | undefined): void {
    this.#ring[this.#next % MAX_KEPT] = { row, query, json: undefined }
    this.#next++
  }

  /** A reason that is not there yet is computed only while a browser watches. */
  #reasonOf (decision: Decision | undefined): string | undefined {
    if (decision === undefined || (this.watchers === 0 && !Object.hasOwn(decision, 'reason'))) return undefined
    try {
      return decision.reason
    } catch {
      // The engine takes no more work for it. The code says the rest.
      return undefined
    }
  }

  #routeOf (asker: object | undefined): string | undefined {
    return asker === undefined ? undefined : boundedIf(this.#options.routeOf(asker))
  }
}

/** Whether so many questions may stay in memory. Most have no attributes, and cost a few comparisons. */
function isSmall ({ user, action, resource, context }: Query): boolean {
  const room = { values: MAX_KEPT_VALUES, text: MAX_KEPT_TEXT - user.key.length - action.length - (resource.key?.length ?? 0) }
  return [user.attributes, resource.attributes, context].every(values => values === undefined || fits(values, room)) && room.text >= 0
}

function fits (value: unknown, room: { values: number, text: number }): boolean {
  if (typeof value === 'string') room.text -= value.length
  if (--room.values < 0 || room.text < 0) return false
  if (typeof value !== 'object' || value === null) return true
  for (const name in value) {
    room.text -= name.length
    if (!fits((value as Readonly<Record<string, unknown>>)[name], room)) return false
  }
  return true
}

function boundedIf (text: string | undefined): string | undefined {
  return text === undefined ? undefined : bounded(text)
}

/** Copies a long text, because a part of it would keep all of it in memory. */
function bounded (text: string): string {
  return text.length <= MAX_TEXT ? text : Buffer.from(shorten(text, MAX_TEXT)).toString()
}

function valuesOf (query: Query | undefined): string | undefined {
  if (query === undefined) return undefined
  const { user: { key: _key, ...user }, resource: { attributes }, context } = query
  const values = { ...(Object.keys(user).length === 0 ? {} : { user }), resource: attributes, context }
  const text = JSON.stringify(values)
  return text === '{}' ? undefined : shorten(text, MAX_VALUES)
}
