// Reads the annotation from a route's config, whatever kind of object the config is.
import { isNearly } from '../kit/suggest.js'
import { AnnotationError } from '../contract/errors.js'
import type { Annotation } from './fastify-types.js'

/** An annotation in a box. `permit: undefined` is one, and a wrong one: it is what a misspelt constant looks like. */
export interface Boxed { readonly value: Annotation }

/** The annotation in a config: its own, or one that it inherits. */
export function annotationIn (config: unknown): Boxed | undefined {
  if ((typeof config !== 'object' && typeof config !== 'function') || config === null || !('permit' in config)) return undefined
  return { value: config.permit as Annotation }
}

/**
 * A plain copy of a config, and its annotation, read once. Fastify copies a config by its own properties: of an annotation that is
 * inherited, or made by a getter or a proxy, that copy would have nothing, or something else.
 */
export function readConfig (config: unknown): { readonly config: Readonly<Record<PropertyKey, unknown>>, readonly annotation: Boxed | undefined } {
  const copy: Record<PropertyKey, unknown> = { ...config as object }
  const annotation = annotationIn(copy) ?? annotationIn(config)
  return { config: annotation === undefined ? copy : { ...copy, permit: annotation.value }, annotation }
}

/**
 * Nothing tells a misspelt `permit` from what other plugins have in a config, and the route would be open to everybody. So what is one
 * letter away from it is taken for it, and so is a `permit` beside the config; an app that means something else says `permit` as well.
 */
export function refuseMisplaced (route: object, config: object, name: string): void {
  if ('permit' in route) {
    throw new AnnotationError(`${name} has "permit" beside its config, where nothing reads it: write config: { permit: … }`)
  }
  const nearly = Object.keys(config).find(key => isNearly(key, 'permit'))
  if (nearly !== undefined) {
    throw new AnnotationError(`the config of ${name} has "${nearly}", and no "permit": without it the route would not be guarded. Did you mean config: { permit: … }? ` +
      `If "${nearly}" is something else, say permit: false, or what the route requires, beside it`)
  }
}
