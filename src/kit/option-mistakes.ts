// Describes the first mistake in invalid options, in a sentence that names the option.
import { schemaMistakes, type MistakesSchema } from './schema-mistakes.js'
import { closest } from './suggest.js'

/** The schema of options. `expected` says in error messages what an option should be. */
interface DescribedSchema extends MistakesSchema {
  readonly expected?: string
  readonly anyOf?: readonly DescribedSchema[]
  readonly items?: DescribedSchema
  readonly properties?: Readonly<Record<string, DescribedSchema>>
}

/**
 * The first mistake in the options, as a sentence.
 *
 * @param schema - the schema of the options, with texts in `expected`
 * @param options - options that do not match the schema
 * @param owner - added after the name of the option, such as ` of the local PDP`
 */
export function optionMistake (schema: object, options: unknown, owner = ''): string {
  const mistakes = schemaMistakes(schema, options)
  const unknown = mistakes.find(({ kind }) => kind === 'unknown')
  if (unknown !== undefined) {
    const { path, property = '' } = unknown
    const known = [...schemasAt(schema, path)].flatMap(({ properties = {} }) => Object.keys(properties))
    const meant = closest(property, known)
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    return `option "${[...path, property].join('.')}"${owner} is not known; expected one of ${known.join(', ')}${hint}`
  }
  // Every branch of a union reports a mistake; the deepest one belongs to the branch that was meant.
  const [deepest] = mistakes.sort((a, b) => b.path.length - a.path.length)
  const path = deepest?.path ?? []
  const value = path.reduce<unknown>((holder, key) => (holder as Record<string, unknown>)[key], options)
  return `option "${path.join('.')}"${owner} is ${show(value)}; expected ${expectedAt(schema, path)}`
}

/** Describes a value. For a text or an object it names only the kind, because the value may contain a token or a password. */
export function show (value: unknown): string {
  if (value === '') return 'an empty string'
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value} that cannot be used`
}

/** The schemas of the value at a path, in all branches of unions. */
function * schemasAt (schema: DescribedSchema, path: readonly string[]): Generator<DescribedSchema> {
  for (const branch of schema.anyOf ?? []) yield * schemasAt(branch, path)
  const [step, ...rest] = path
  if (step === undefined) {
    yield schema
    return
  }
  const inner = schema.items ?? (Object.hasOwn(schema.properties ?? {}, step) ? schema.properties?.[step] : undefined)
  if (inner !== undefined) yield * schemasAt(inner, rest)
}

/** What the value at a path should be. An inner value without a text of its own uses the text of the option that it is in. */
function expectedAt (schema: DescribedSchema, path: readonly string[]): string | undefined {
  const found = [...schemasAt(schema, path)].find(({ expected }) => expected !== undefined)
  return found?.expected ?? (path.length === 0 ? undefined : expectedAt(schema, path.slice(0, -1)))
}
