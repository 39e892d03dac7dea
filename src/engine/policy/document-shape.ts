// Compares a document with a schema and reports the differences in plain words. TypeBox decides whether a document is valid; its own
// errors would list every branch of a union, and only the first eight of many mistakes.

import { suggest } from '../../kit/suggest.js'
import { addProblem, TooManyProblems, type PolicyProblem } from './problems.js'

/** The part of JSON Schema that the policy's schema uses. */
interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly minLength?: number
}

/** The current path. One list for the whole walk: a document may have a million records, most of them without problems. */
type Path = Array<string | number>

/**
 * Everything in the value that the schema does not allow.
 *
 * @param schema - a TypeBox schema of objects, records, arrays, strings, booleans, enums and unions that differ in their JSON type
 */
export function shapeProblems (schema: object, value: unknown): PolicyProblem[] {
  const problems: PolicyProblem[] = []
  try {
    walk(schema, value, [], problems)
  } catch (error) {
    if (!(error instanceof TooManyProblems)) throw error
  }
  return problems
}

function walk (schema: Schema, value: unknown, path: Path, problems: PolicyProblem[]): void {
  const branches = schema.anyOf ?? [schema]
  const branch = branches.find(({ type }) => type === undefined || type === typeOf(value))
  if (branch === undefined) {
    const expected = branches.map(({ type }) => type).filter(type => type !== 'null').join(' or ')
    // YAML reads `user: 42` as a number, and `role: true` as a boolean.
    const quoted = expected === 'string' && (typeof value === 'number' || typeof value === 'boolean') ? ` in quotes: '${value}'` : ''
    const message = `${article(typeOf(value))} is not allowed here`
    addProblem(problems, { path: [...path], message, hint: `write ${article(expected)}${quoted}` })
  } else if (branch.enum !== undefined) {
    walkEnum(branch.enum, value, path, problems)
  } else if (typeof value === 'string' && value.length < (branch.minLength ?? 0)) {
    addProblem(problems, { path: [...path], message: 'the text is empty', hint: 'write a name' })
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => walkPart(branch.items ?? {}, item, index, path, problems))
  } else if (typeof value === 'object' && value !== null) {
    walkObject(branch, value, path, problems)
  }
}

function walkPart (schema: Schema, part: unknown, step: string | number, path: Path, problems: PolicyProblem[]): void {
  path.push(step)
  walk(schema, part, path, problems)
  path.pop()
}

function walkEnum (allowed: readonly unknown[], value: unknown, path: Path, problems: PolicyProblem[]): void {
  if (allowed.includes(value)) return
  const message = `${display(value)} is not one of the values allowed here`
  addProblem(problems, { path: [...path], message, hint: suggest(String(value), allowed.map(String), '') })
}

function walkObject (schema: Schema, value: object, path: Path, problems: PolicyProblem[]): void {
  const properties = schema.properties ?? {}
  for (const required of schema.required ?? []) {
    if (!Object.hasOwn(value, required)) {
      const hint = `add '${required}'${purpose(properties[required])}`
      addProblem(problems, { path: [...path], message: `'${required}' is missing`, hint })
    }
  }
  const [pattern, record] = Object.entries(schema.patternProperties ?? {})[0] ?? []
  const keyPattern = pattern === undefined ? undefined : new RegExp(pattern)
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key]
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (property !== undefined) walkPart(property, item, key, path, problems)
    else if (keyPattern?.test(key) === true && record !== undefined) walkPart(record, item, key, path, problems)
    else if (schema.additionalProperties === false) addProblem(problems, unknownKey(key, path, keyPattern, properties))
  }
}

function unknownKey (key: string, path: Readonly<Path>, pattern: RegExp | undefined, properties: object): PolicyProblem {
  if (pattern === undefined) {
    return { path: [...path, key], message: `unknown property '${key}'`, hint: suggest(key, Object.keys(properties), 'remove it') }
  }
  const fixed = key.replace(/[^\w-]+/g, '-')
  const example = fixed === '' ? '' : `, such as '${fixed}'`
  return { path: [...path, key], message: `'${key}' cannot be a key`, hint: `write letters, digits, '_' and '-' only${example}` }
}

function purpose (schema: (Schema & { readonly description?: string }) | undefined): string {
  return schema?.description === undefined ? '' : `: ${schema.description}`
}

function typeOf (value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value
}

function article (what: string): string {
  const name = what.replace('array', 'list').replace('string', 'text').replace('null', 'nothing').replace('boolean', 'true or false')
  if (name.startsWith('nothing') || name.startsWith('text') || name.startsWith('true')) return name
  return /^[aeiou]/.test(name) ? `an ${name}` : `a ${name}`
}

function display (value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value) ?? String(value)
}
