// The attributes that a policy declares, and the context that its conditions read, as TypeScript types.
import { isRecord } from '../../kit/is-record.js'

/** TypeScript types by the names of attributes. */
export type AttributeTypes = ReadonlyMap<string, string>

const OBJECT = 'Readonly<Record<string, unknown>>'

/** The types of values, by the type of the declaration. Times are texts or numbers. */
const TYPES: Readonly<Record<string, string>> = {
  bool: 'boolean',
  number: 'number',
  string: 'string',
  time: 'string | number',
  array: 'readonly unknown[]',
  object: OBJECT,
  object_array: `readonly ${OBJECT}[]`,
  json: 'unknown'
}

/** The declared attributes; undefined when none is declared, so that any may be given. */
export function declaredTypes (attributes: unknown): AttributeTypes | undefined {
  if (!isRecord(attributes) || Object.keys(attributes).length === 0) return undefined
  return new Map(Object.entries(attributes).map(([name, declared]) => [name, typeOf(declared)]))
}

function typeOf (declared: unknown): string {
  const type = isRecord(declared) && typeof declared.type === 'string' ? declared.type : ''
  return Object.hasOwn(TYPES, type) ? TYPES[type] as string : 'unknown'
}

/**
 * What the conditions of user sets and resource sets read of the context, with a type where all comparisons agree; undefined when they
 * read nothing.
 */
export function contextTypes (sets: ReadonlyArray<{ readonly conditions?: unknown }>): AttributeTypes | undefined {
  const found = new Map<string, Set<string>>()
  for (const { conditions } of sets) readContext(conditions, found)
  if (found.size === 0) return undefined
  return new Map(Array.from(found, ([name, types]) => {
    const [only = 'unknown'] = types
    return [name, types.size === 1 ? only : 'unknown']
  }))
}

const OF_CONTEXT = /^(?:context|environment)\.([^.]+)(\..*)?$/

function readContext (condition: unknown, found: Map<string, Set<string>>): void {
  if (Array.isArray(condition)) {
    for (const part of condition) readContext(part, found)
  } else if (isRecord(condition)) {
    for (const [key, value] of Object.entries(condition)) {
      const [, name, rest] = OF_CONTEXT.exec(key) ?? []
      if (name !== undefined) note(found, name, rest === undefined ? typesOfTests(value) : [OBJECT])
      const [, referred] = (key === 'ref' && typeof value === 'string' && OF_CONTEXT.exec(value)) || []
      if (referred !== undefined) note(found, referred, ['unknown'])
      readContext(value, found)
    }
  }
}

function note (found: Map<string, Set<string>>, name: string, types: readonly string[]): void {
  found.set(name, new Set([...found.get(name) ?? [], ...types]))
}

/** The types of the values that an attribute is compared with. */
function typesOfTests (tests: unknown): string[] {
  if (Array.isArray(tests)) return tests.flatMap(typesOfTests)
  if (!isRecord(tests)) return []
  return Object.entries(tests).flatMap(([operator, value]) => {
    if (/^(?:allOf|anyOf|and|or|not)$/.test(operator)) return typesOfTests(value)
    if (isRecord(value)) return ['unknown']
    if (operator.startsWith('array_') || operator.endsWith('_match')) return ['unknown']
    const values = operator === 'in' || operator === 'between' ? [value].flat() : [value]
    return values.map(item => /^(?:string|number|boolean)$/.test(typeof item) ? typeof item : 'unknown')
  })
}
