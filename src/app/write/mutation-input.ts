// Validates and copies the arguments of the write API, and converts their names to those of the wire format.
import type { Static, TObject } from 'typebox'
import { describe } from '../../decision/input-checks.js'
import { toJsonObject } from '../../decision/query.js'
import type { JsonObject } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import { schemaMistakes } from '../../kit/schema-mistakes.js'
import { closest } from '../../kit/suggest.js'
import { MutationError, QueryError } from '../../contract/errors.js'
import { INSTANCE, KEY, RoleInTenant, type Input } from './mutation-input-schema.js'

const ALIASES: Readonly<Record<string, string>> = {
  firstName: 'first_name',
  lastName: 'last_name',
  resourceInstance: 'resource_instance',
  expiresAt: 'expires_at'
}

/**
 * Returns a copy of the input with the names of the wire format.
 * @param what - the mutation, for messages
 * @throws `MutationError`
 */
export function readInput<T extends TObject> (what: string, { schema, checker }: Input<T>, input: unknown): Static<T> {
  const renamed = rename(what, input)
  if (!checker.Check(renamed)) throw new MutationError(`${what}: ${mutationMistake(schema, renamed)}`)
  return renamed as Static<T>
}

/** Validates a single key, such as that of `deleteUser`. */
export function readKey (what: string, name: string, key: unknown): string {
  if (typeof key === 'string' && key !== '') return key
  throw new MutationError(`${what}: ${name} is ${describe(key)}; expected ${KEY}`)
}

const INSTANCE_NAMES: readonly string[] = ['resource', 'key']

/** Validates an instance and returns it as `type:key`. */
export function readInstance (what: string, instance: unknown): string {
  const isObject = typeof instance === 'object' && instance !== null && 'resource' in instance && 'key' in instance
  // Ignoring an unknown name, such as a tenant, could select another instance.
  const unknown = isObject ? Object.keys(instance).find(name => !INSTANCE_NAMES.includes(name)) : undefined
  if (unknown !== undefined) throw new MutationError(`${what}: the resource instance: ${unknownName(unknown, INSTANCE_NAMES)}`)
  const text = isObject
    ? `${readKey(what, 'the resource', instance.resource)}:${readKey(what, 'the key', instance.key)}`
    : instance
  if (typeof text === 'string' && new RegExp(INSTANCE.pattern).test(text)) return text
  throw new MutationError(`${what}: the resource instance is ${describe(instance)}; expected ${INSTANCE.expected} or { resource, key }`)
}

function rename (what: string, input: unknown): Record<string, unknown> {
  if (!isRecord(input)) throw new MutationError(`${what}: expected an object, got ${describe(input)}`)
  const renamed: Record<string, unknown> = {}
  for (const [given, value] of Object.entries(input)) {
    if (value === undefined) continue
    const name = Object.hasOwn(ALIASES, given) ? ALIASES[given] as string : given
    if (Object.hasOwn(renamed, name)) throw new MutationError(`${what}: ${name} is given in both spellings; expected one of them`)
    renamed[name] = name === 'attributes' ? copyAttributes(what, value) : copyList(value)
  }
  return renamed
}

function copyAttributes (what: string, value: unknown): JsonObject {
  try {
    return toJsonObject('attributes', value)
  } catch (cause) {
    if (cause instanceof QueryError) throw new MutationError(`${what}: ${cause.message}`)
    throw cause
  }
}

function copyList (value: unknown): unknown {
  return Array.isArray(value) ? value.map((item: unknown) => typeof item === 'object' && item !== null ? { ...item } : item) : value
}

function mutationMistake (schema: TObject, input: Record<string, unknown>): string {
  const mistakes = schemaMistakes(schema, input)
  const named = mistakes.find(({ kind }) => kind !== 'value')
  if (named !== undefined) {
    const { kind, path, property = '' } = named
    const where = path.map(step => `${step}.`).join('')
    const known = Object.keys((path.length === 0 ? schema : RoleInTenant).properties)
    return where + (kind === 'missing' ? `${property} is missing` : unknownName(property, known))
  }
  const [deepest] = mistakes.sort((a, b) => b.path.length - a.path.length)
  const path = deepest?.path ?? []
  const value = path.reduce<unknown>((holder, key) => (holder as Record<string, unknown>)[key], input)
  const property = schema.properties[path[0] ?? ''] as { expected?: string } | undefined
  const inner = RoleInTenant.properties[path.at(-1) as keyof typeof RoleInTenant.properties] as { expected?: string } | undefined
  return `${path.join('.')} is ${describe(value)}; expected ${(path.length > 2 ? inner : property)?.expected ?? KEY}`
}

function unknownName (name: string, known: readonly string[]): string {
  const meant = closest(name, known)
  return `${name} is not known; expected one of ${known.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}
