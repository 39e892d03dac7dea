// What asks whether a value has the shape of a schema. The build runs each module that makes one, and puts the code that TypeBox made in
// its place: an app that starts loads neither TypeBox nor a compiler. Such a module exports checkers, schemas and texts, nothing else.
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** Says whether a value has a shape. */
export interface Checker<T> {
  Check (value: unknown): value is T
}

/** The checker of a schema. */
export function checkerOf<S extends TSchema> (schema: S): Checker<Static<S>> {
  const validator = Compile(schema as TSchema)
  return validator as Checker<Static<S>>
}
