// Creates checkers of schemas. The build runs each module that calls this, and replaces the call by the code that TypeBox generated. So
// an app loads neither TypeBox nor its compiler. Such a module may only export checkers, schemas and texts.
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** Checks whether a value matches a schema. */
export interface Checker<T> {
  Check (value: unknown): value is T
}

/** Creates the checker of a schema. */
export function checkerOf<S extends TSchema> (schema: S): Checker<Static<S>> {
  const validator = Compile(schema as TSchema)
  return validator as Checker<Static<S>>
}
