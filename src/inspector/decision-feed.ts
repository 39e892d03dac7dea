// Keeps the latest decisions for the inspector: a ring of fixed size. A decision costs two small objects that hold what is there. Texts are
// made when a browser gets it.
import { codeOf, pdpErrorOf } from '../contract/errors.js'
import { isKeyOnly, type Decision, type Query } from '../contract/point.js'
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
  /**
   * The route of a request as declared, such as `GET /tasks/:id`; null for a request for the inspector itself, whose checks are left out.
   * It is called for every decision.
   */
  readonly routeOf: (asker: object) => string | null | undefined
  /** Whether attribute values are shown. */
  readonly attributes: boolean
}

type Row = Omit<InspectorRow, 'values'>

/** A decision that is kept. Its texts and its JSON are made when the first browser gets it. */
interface Entry {
  /** Undefined when it is too large to be kept, and for a plan and a search. Then the row is complete. */
  readonly query: Query | undefined
  readonly row: Row | Told
  json: string | undefined
}

/** What a row has beside its id and its question. */
type Told = Pick<Row, 'time' | 'outcome' | 'code' | 'reason' | 'failure' | 'source' | 'duration' | 'route'>

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

  /** Runs for every decision, whether a browser watches or not: it only stores what is there. */
  ended (query: Query, { decision, error, source, duration }: CheckOutcome, asker: object | undefined): void {
    const route = asker === undefined ? undefined : this.#options.routeOf(asker)
    if (route === null) return
    const told = {
      time: Date.now(),
      outcome: decision === undefined ? 'none' : decision.allow === true ? 'yes' : 'no',
      code: boundedIf(decision?.code),
      reason: boundedIf(this.#reasonOf(decision)),
      failure: error === undefined ? undefined : pdpErrorOf(error)?.failure,
      source,
      duration,
      route: boundedIf(route)
    } as const
    if (isSmall(query)) this.#keep(query, told)
    else this.#keep(undefined, rowOf(this.#next, query, told))
  }

  listEnded (question: ListQuestion, { rows, found, error, aborted, source, duration }: ListOutcome, asker: object | undefined): void {
    const route = asker === undefined ? undefined : this.#options.routeOf(asker)
    if (route === null) return
    const { kind, user = '', action = '', resource = '', tenant = '' } = question
    this.#keep(undefined, {
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
      route: boundedIf(route)
    })
  }

  /** A decision as JSON; undefined when it is no longer kept, or not made yet. */
  json (id: number): string | undefined {
    if (id < this.first || id > this.last) return undefined
    const entry = this.#ring[id % MAX_KEPT] as Entry
    return (entry.json ??= JSON.stringify(this.#wholeRow(id, entry)))
  }

  /** The question of a decision; undefined when it is not kept. */
  questionOf (id: number): Query | undefined {
    return id < this.first || id > this.last ? undefined : this.#ring[id % MAX_KEPT]?.query
  }

  #wholeRow (id: number, { query, row }: Entry): InspectorRow {
    if (query === undefined) return row as Row
    return { ...rowOf(id, query, row), values: this.#options.attributes ? valuesOf(query) : undefined }
  }

  #keep (query: Query | undefined, row: Row | Told): void {
    this.#ring[this.#next % MAX_KEPT] = { query, row, json: undefined }
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
}

function rowOf (id: number, { user, action, resource }: Query, told: Told): Row {
  return {
    id,
    kind: 'check',
    user: bounded(user.key),
    action: bounded(action),
    resource: bounded(resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`),
    tenant: bounded(resource.tenant),
    ...told
  }
}

/** Whether so many questions may stay in memory. Most have no attributes, and cost a few comparisons. */
function isSmall ({ user, action, resource: { type, key, tenant, attributes }, context }: Query): boolean {
  const text = MAX_KEPT_TEXT - user.key.length - action.length - type.length - tenant.length - (key === undefined ? 0 : key.length)
  if (isKeyOnly(user) && attributes === undefined && context === undefined) return text >= 0
  const room = { values: MAX_KEPT_VALUES, text }
  return fits(user, room) && fits(attributes, room) && fits(context, room) && room.text >= 0
}

function fits (value: unknown, room: { values: number, text: number }): boolean {
  if (value === undefined) return true
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
