// Annotations with a requirement for each method: `{ GET: 'task:list', POST: 'task:create' }`.
import { AnnotationError } from '../contract/errors.js'
import type { Annotation, MethodMap } from './annotation.js'

/** The entry for every method that has none. */
const OTHERS = '*'

const METHOD = /^[A-Z][A-Z-]*$/

/** What a method map has for one method. */
export type ForMethod<R> = Exclude<MethodMap<R>['*'], undefined>

/** Whether an annotation is a method map: one key that is a method is enough, so that a misspelled one is reported as such. */
export function isMethodMap<R> (annotation: unknown): annotation is MethodMap<R> {
  return typeof annotation === 'object' && annotation !== null && !Array.isArray(annotation) &&
    Object.keys(annotation).some(name => name === OTHERS || METHOD.test(name))
}

/** Refuses keys that are no methods. */
export function requireMethodNames (map: object): void {
  const wrong = Object.keys(map).find(name => name !== OTHERS && !METHOD.test(name))
  if (wrong === undefined) return
  throw new AnnotationError(`${JSON.stringify(wrong)} is no method; expected methods in capitals and '*' for all others, such as ` +
    "{ GET: 'task:list', '*': 'task:update' }")
}

/** The entry of a method. Whoever may GET may ask for the HEAD of the same. */
export function entryOf<T> (map: ReadonlyMap<string, T>, method: string): T | undefined {
  return map.get(method) ?? (method === 'HEAD' ? map.get('GET') : undefined) ?? map.get(OTHERS)
}

/**
 * What an annotation means for a route: the requirement itself when all methods of the route have the same, or the part of the map that the
 * route can need. Returns annotations of other kinds unchanged.
 * @param methods - of the route; undefined when it answers every method
 * @throws {@link AnnotationError} when a method of the route is not in the map
 */
export function forMethods<R> (annotation: Annotation<R>, methods: readonly string[] | undefined): Annotation<R> {
  if (!isMethodMap<R>(annotation)) return annotation
  requireMethodNames(annotation)
  const map = new Map(Object.entries<ForMethod<R>>(annotation as Record<string, ForMethod<R>>).map(([key, value]) => [key, { key, value }]))
  if (methods === undefined) {
    if (map.has(OTHERS)) return annotation
    throw new AnnotationError("it answers every method, and the annotation names only some; add '*' for all others")
  }
  const used = new Map<string, ForMethod<R>>()
  for (const method of methods) {
    const entry = entryOf(map, method)
    if (entry === undefined) {
      throw new AnnotationError(`it answers ${method}, which the annotation does not name; add ${method}, or '*' for all others`)
    }
    used.set(entry.key, entry.value)
  }
  const [first, ...others] = used.values()
  return first !== undefined && others.every(other => other === first) ? first : Object.fromEntries(used)
}
