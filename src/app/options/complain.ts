// Describes the first problem of invalid options, in a sentence that names the option.
import type { TSchema } from 'typebox'
import { schemaMistakes } from '../../kit/schema-mistakes.js'
import { closest } from '../../kit/suggest.js'
import {
  CacheSchema, BreakerSchema, HedgeSchema, UpdatesSchema, MetricsSchema, OpenTelemetrySchema, AuthZenSchema, StrictSchema, OptionsSchema,
  type Words
} from './schema.js'

/** The first problem of the options, as a sentence. */
export function complain (options: unknown): string {
  const mistakes = schemaMistakes(OptionsSchema, options)
  const unknown = mistakes.find(({ kind }) => kind === 'unknown')
  if (unknown !== undefined) {
    const { path, property = '' } = unknown
    const known = Object.keys(path.length === 0 ? OptionsSchema.properties : INNER[path.join('.')] ?? {})
    const meant = closest(property, known)
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    return `option "${[...path, property].join('.')}" is not known; expected one of ${known.join(', ')}${hint}`
  }
  // Every branch of a union reports a mistake; the deepest one belongs to the branch that was meant.
  const [deepest] = mistakes.sort((a, b) => b.path.length - a.path.length)
  const path = deepest?.path ?? []
  const [name = '', inner = ''] = path
  const properties: Readonly<Record<string, TSchema>> = OptionsSchema.properties
  const schema = (INNER[name]?.[inner] ?? properties[name]) as (TSchema & Partial<Words>) | undefined
  const value = path.reduce<unknown>((holder, key) => (holder as Record<string, unknown>)[key], options)
  return `option "${path.join('.')}" is ${show(value)}; expected ${schema?.expected}`
}

/** Describes a value. Of a text or an object only the kind, because it may contain a token or a password. */
export function show (value: unknown): string {
  if (value === '') return 'an empty string'
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value} that cannot be used`
}

/** The options that are objects, and their properties. */
const INNER: Readonly<Record<string, Readonly<Record<string, TSchema>>>> = {
  cache: CacheSchema.properties,
  breaker: BreakerSchema.properties,
  hedge: HedgeSchema.properties,
  authzen: AuthZenSchema.properties,
  updates: UpdatesSchema.properties,
  metrics: MetricsSchema.properties,
  openTelemetry: OpenTelemetrySchema.properties,
  strict: StrictSchema.properties
}
