// Messages about invalid annotations: what is expected, and what was probably meant.
import { closest } from '../kit/suggest.js'
import { AnnotationError } from '../contract/errors.js'

/** What an annotation, or a part of one, may be. */
export const FORMS = "'type:action', { action, resource, tenant?, context? }, { anyOf: […] }, { allOf: […] } or a function of the request; and false, outside of functions, for a public route"

/** Every name that stands in some requirement. */
export const REQUIREMENT_NAMES: readonly string[] = ['action', 'resource', 'tenant', 'context', 'anyOf', 'allOf']

/**
 * @param known - what the object may have
 * @param expected - the same in words, for people
 * @param candidates - what may have been meant; more than `known` where another form has other names
 */
export function onlyKnown (object: object, known: readonly string[], expected: string = known.join(', '), candidates: readonly string[] = known): void {
  const unknown = Object.keys(object).find(name => !known.includes(name))
  if (unknown === undefined) return
  const meant = closest(unknown, candidates.filter(name => !Object.hasOwn(object, name)))
  throw new AnnotationError(`"${unknown}" is not known${meant === undefined ? '' : `: did you mean "${meant}"?`}; expected ${expected}`)
}

/** `task.create`, `task/create`, `task create`: the spellings of other products. */
const OTHER_SEPARATOR = /^([\w-]{1,64})[./#\s]{1,3}([\w-]{1,64})$/

/** `: did you mean 'task:create'?`, or nothing. */
export function permissionMeant (written: string): string {
  const [, type, action] = OTHER_SEPARATOR.exec(written) ?? []
  return type === undefined ? '' : `: did you mean '${type}:${action}'?`
}

/** Fastify's spelling of a param, and JavaScript's: both would be taken literally, as the key of an instance that does not exist. */
const OTHER_PLACEHOLDER = /^:([A-Za-z_]\w*)$|\$\{(\w+)\}/

/** Refuses a key that was meant to hold a param but does not. */
export function refuseOtherPlaceholders (key: string): void {
  const [found, fastify, javascript] = OTHER_PLACEHOLDER.exec(key) ?? []
  const param = fastify ?? javascript
  if (param === undefined) return
  throw new AnnotationError(`the resource key ${JSON.stringify(key)} has ${found}, which is not a param here: write {${param}}. For a key with that literal text, use a function`)
}
