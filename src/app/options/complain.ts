// Describes the first problem of invalid options, in a sentence that names the option.
import type { TSchema } from 'typebox'
import { closest } from '../../kit/suggest.js'
import {
  CacheSchema, BreakerSchema, HedgeSchema, UpdatesSchema, MetricsSchema, OpenTelemetrySchema, AuthZenSchema, StrictSchema, OptionsSchema,
  validator, type Words
} from './schema.js'

/** The first problem of the options, as a sentence. */
export function complain (options: unknown): string {
  const errors = validator.Errors(options)
  const unknown = errors.find(error => error.keyword === 'additionalProperties')
  if (unknown?.keyword === 'additionalProperties') {
    const known = unknown.instancePath === '' ? OptionsSchema.properties : INNER[unknown.instancePath.slice(1)] ?? {}
    const name = [...unknown.instancePath.split('/').slice(1), unknown.params.additionalProperties[0]].join('.')
    const meant = closest(String(unknown.params.additionalProperties[0]), Object.keys(known))
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    return `option "${name}" is not known; expected one of ${Object.keys(known).join(', ')}${hint}`
  }
  // Every branch of a union reports an error; the deepest one belongs to the branch that was meant.
  const [deepest] = errors.sort((a, b) => depth(b.instancePath) - depth(a.instancePath))
  const path = deepest?.instancePath.split('/').slice(1) ?? []
  const [name = '', inner = ''] = path
  const properties: Readonly<Record<string, TSchema>> = OptionsSchema.properties
  const schema = (INNER[name]?.[inner] ?? properties[name]) as (TSchema & Partial<Words>) | undefined
  const value = path.reduce<unknown>((holder, key) => (holder as Record<string, unknown>)[key], options)
  return `option "${path.join('.')}" is ${show(value)}; expected ${schema?.expected}`
}

function depth (pointer: string): number {
  return pointer.split('/').length
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
