// Reads the annotation from a route's config, whatever kind of object the config is.
import { isNearly } from '../kit/suggest.js'
import { AnnotationError } from '../contract/errors.js'
import type { Annotation } from './fastify-types.js'

/** An annotation in a box, because `permit: undefined` is an (invalid) annotation: it results from a misspelled constant. */
export interface Boxed { readonly value: Annotation }

/** The annotation in a config, own or inherited. */
export function annotationIn (config: unknown): Boxed | undefined {
  if ((typeof config !== 'object' && typeof config !== 'function') || config === null || !('permit' in config)) return undefined
  return { value: config.permit as Annotation }
}

/**
 * Returns a plain copy of a config, and its annotation, which is read once. Fastify copies only own properties of a config, so its copy
 * could lack an inherited annotation, or have another value if a getter or a proxy creates it.
 */
export function readConfig (
  config: unknown
): { readonly config: Readonly<Record<PropertyKey, unknown>>, readonly annotation: Boxed | undefined } {
  const copy: Record<PropertyKey, unknown> = { ...config as object }
  const annotation = annotationIn(copy) ?? annotationIn(config)
  return { config: annotation === undefined ? copy : { ...copy, permit: annotation.value }, annotation }
}

/**
 * Refuses a misspelled or misplaced `permit`, which would leave the route open to everyone. A property of the config that differs from
 * `permit` in one letter counts as misspelled. An app that means something else must also set `permit`.
 */
export function refuseMisplaced (route: object, config: object, name: string): void {
  if ('permit' in route) {
    throw new AnnotationError(`${name} has "permit" beside its config, where it has no effect; write config: { permit: … }`)
  }
  const nearly = Object.keys(config).find(key => isNearly(key, 'permit'))
  if (nearly !== undefined) {
    throw new AnnotationError(`the config of ${name} has "${nearly}" but no "permit", so the route would not be guarded. ` +
      `Did you mean config: { permit: … }? If "${nearly}" is something else, add permit: false, or what the route requires`)
  }
}
