// Validates and copies the arguments of the write API, and converts their names to those of the wire format.
import Type, { type Static, type TObject } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { describe } from '../../decision/input.js'
import { toJsonObject } from '../../decision/query.js'
import type { JsonObject } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'
import { closest } from '../../kit/suggest.js'
import { MutationError, QueryError } from '../../contract/errors.js'

const strict = { additionalProperties: false } as const

const KEY = 'a non-empty string'
const INSTANCE = { pattern: '^[^:]+:[^]+$', expected: "'<type>:<key>'" }

const Key = Type.String({ minLength: 1, expected: KEY })
const Text = Type.Optional(Type.String({ expected: 'a string' }))
const Attributes = Type.Optional(Type.Unsafe<JsonObject>({ type: 'object', expected: 'an object that can be serialized as JSON' }))
/** A colon would make `type:key` ambiguous. */
const TypeKey = Type.String({ pattern: '^[^:]+$', expected: 'a resource type, which has no colon' })
const Instance = Type.String(INSTANCE)

const RoleInTenant = Type.Object({ role: Key, tenant: Type.Optional(Key) }, strict)

export const UserSchema = Type.Object({
  key: Key,
  email: Text,
  first_name: Text,
  last_name: Text,
  attributes: Attributes,
  roles: Type.Optional(Type.Array(RoleInTenant, { expected: 'a list of { role, tenant? }' }))
}, strict)

export const TenantSchema = Type.Object({ key: Key, name: Text, description: Text, attributes: Attributes }, strict)

export const InstanceSchema = Type.Object({ resource: TypeKey, key: Key, tenant: Type.Optional(Key), attributes: Attributes }, strict)

export const AssignmentSchema = Type.Object({
  user: Key,
  role: Key,
  tenant: Type.Optional(Key),
  resource_instance: Type.Optional(Instance)
}, strict)

export const TupleSchema = Type.Object({ subject: Instance, relation: Key, object: Instance, tenant: Type.Optional(Key) }, strict)

const ALIASES: Readonly<Record<string, string>> = {
  firstName: 'first_name',
  lastName: 'last_name',
  resourceInstance: 'resource_instance'
}

/** Compiled on first use, so that importing the package stays cheap. */
const validators = new WeakMap<TObject, Validator>()

/**
 * Returns a copy of the input with the names of the wire format.
 * @param what - the mutation, for messages
 * @throws `MutationError`
 */
export function readInput<T extends TObject> (what: string, schema: T, input: unknown): Static<T> {
  const renamed = rename(what, input)
  let validator = validators.get(schema)
  if (validator === undefined) validators.set(schema, validator = Compile(schema))
  if (!validator.Check(renamed)) throw new MutationError(`${what}: ${complain(validator, schema, renamed)}`)
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

function complain (validator: Validator, schema: TObject, input: Record<string, unknown>): string {
  const errors = validator.Errors(input)
  for (const { keyword, instancePath, params } of errors) {
    if (keyword === 'additionalProperties') {
      return pathOf(instancePath) + unknownName(String(params.additionalProperties[0]), known(schema, instancePath))
    }
    if (keyword === 'required') return `${pathOf(instancePath)}${params.requiredProperties[0]} is missing`
  }
  const [error] = errors.sort((a, b) => b.instancePath.length - a.instancePath.length)
  const path = error?.instancePath.split('/').slice(1) ?? []
  const value = path.reduce<unknown>((holder, key) => (holder as Record<string, unknown>)[key], input)
  const property = schema.properties[path[0] ?? ''] as { expected?: string } | undefined
  const inner = RoleInTenant.properties[path.at(-1) as keyof typeof RoleInTenant.properties] as { expected?: string } | undefined
  return `${path.join('.')} is ${describe(value)}; expected ${(path.length > 2 ? inner : property)?.expected ?? KEY}`
}

function pathOf (pointer: string): string {
  return pointer === '' ? '' : `${pointer.slice(1).replaceAll('/', '.')}.`
}

function known (schema: TObject, pointer: string): readonly string[] {
  return Object.keys((pointer === '' ? schema : RoleInTenant).properties)
}

function unknownName (name: string, known: readonly string[]): string {
  const meant = closest(name, known)
  return `${name} is not known; expected one of ${known.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}
