// Explains where a value does not match a schema. TypeBox decides whether it matches; this works without loading TypeBox at boot.

/** The part of JSON Schema that the schemas of options and of writes use. */
export interface MistakesSchema {
  readonly type?: string
  /** Not part of JSON Schema: the value is a function. */
  readonly typeof?: 'function'
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly MistakesSchema[]
  readonly properties?: Readonly<Record<string, MistakesSchema>>
  readonly patternProperties?: Readonly<Record<string, MistakesSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
  readonly items?: MistakesSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
}

/** One mistake in a value. */
interface SchemaMistake {
  readonly kind: 'unknown' | 'missing' | 'value'
  /** The path to the value: property names and indexes. For a missing or unknown property, the path to its object. */
  readonly path: readonly string[]
  /** The missing or unknown property; undefined for other mistakes. */
  readonly property: string | undefined
}

/** Returns all mistakes in the value. For a union, the mistakes of every branch. */
export function schemaMistakes (schema: object, value: unknown): SchemaMistake[] {
  return mistakesIn(schema, value, [])
}

function mistakesIn (schema: MistakesSchema, value: unknown, path: readonly string[]): SchemaMistake[] {
  const here: SchemaMistake = { kind: 'value', path, property: undefined }
  if (schema.anyOf !== undefined) {
    const branches = schema.anyOf.map(branch => mistakesIn(branch, value, path))
    return branches.some(mistakes => mistakes.length === 0) ? [] : branches.flat()
  }
  if (schema.typeof === 'function' && typeof value !== 'function') return [here]
  if (schema.const !== undefined && value !== schema.const) return [here]
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [here]
  if (schema.type !== undefined && !hasType(value, schema.type)) return [here]
  if (typeof value === 'string') return isWithin([...value].length, schema.minLength) && matches(value, schema.pattern) ? [] : [here]
  if (typeof value === 'number') return isWithin(value, schema.minimum, schema.maximum) ? [] : [here]
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value
    const { items: itemSchema } = schema
    const inside = itemSchema === undefined ? [] : items.flatMap((item, index) => mistakesIn(itemSchema, item, [...path, String(index)]))
    return isWithin(items.length, schema.minItems, schema.maxItems) ? inside : [here, ...inside]
  }
  return typeof value === 'object' && value !== null ? mistakesInObject(schema, value, path) : []
}

function mistakesInObject (schema: MistakesSchema, value: object, path: readonly string[]): SchemaMistake[] {
  const { properties = {}, patternProperties = {}, required = [], additionalProperties } = schema
  const unknown = additionalProperties === false ? Object.getOwnPropertyNames(value).filter(name => !Object.hasOwn(properties, name)) : []
  const missing = required.filter(name => !(name in value))
  return [
    ...unknown.map((property): SchemaMistake => ({ kind: 'unknown', path, property })),
    ...missing.map((property): SchemaMistake => ({ kind: 'missing', path, property })),
    ...Object.entries(properties).flatMap(([name, property]) => {
      const given: unknown = (value as Record<string, unknown>)[name]
      const isAbsent = !(name in value) || (given === undefined && !required.includes(name))
      return isAbsent ? [] : mistakesIn(property, given, [...path, name])
    }),
    ...Object.entries(patternProperties).flatMap(([pattern, property]) => {
      const matching = Object.entries(value).filter(([name]) => matches(name, pattern))
      return matching.flatMap(([name, given]) => mistakesIn(property, given, [...path, name]))
    })
  ]
}

function hasType (value: unknown, type: string): boolean {
  switch (type) {
    case 'object': return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'array': return Array.isArray(value)
    case 'integer': return Number.isInteger(value)
    case 'number': return Number.isFinite(value)
    case 'null': return value === null
    case 'string': return typeof value === 'string'
    case 'boolean': return typeof value === 'boolean'
    default: throw new TypeError(`the schema type ${type} is not supported here`)
  }
}

function isWithin (value: number, least = -Infinity, most = Infinity): boolean {
  return value >= least && value <= most
}

function matches (text: string, pattern: string | undefined): boolean {
  return pattern === undefined || new RegExp(pattern, 'u').test(text)
}
