// Messages about invalid annotations: what is expected, and what was probably meant.
import { closest } from '../kit/suggest.js'
import { AnnotationError } from '../contract/errors.js'

/** What an annotation, or a part of one, may be. */
export const FORMS =
  "'type:action', 'url', { url }, { action, resource, tenant?, context? }, { anyOf: […] }, { allOf: […] } or a function of the request; " +
  "and outside of functions false, for a public route, or one of these for each method, such as { GET: 'task:list', '*': 'task:update' }"

/** All property names of requirements. */
export const REQUIREMENT_NAMES: readonly string[] = ['action', 'resource', 'tenant', 'context', 'url', 'anyOf', 'allOf']

/**
 * Checks that an object has only known properties.
 * @param known - the known properties
 * @param expected - what is expected, as text for the message
 * @param candidates - the names to suggest; more than `known` when another form has other names
 * @throws `AnnotationError` that names the unknown property
 */
export function onlyKnown (
  object: object, known: readonly string[], expected: string = known.join(', '), candidates: readonly string[] = known
): void {
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

/** The spelling of a param in Fastify and in JavaScript. As a literal key, both would name an instance that does not exist. */
const OTHER_PLACEHOLDER = /^:([A-Za-z_]\w*)$|\$\{(\w+)\}/

/** Refuses a key with a param in another spelling. */
export function refuseOtherPlaceholders (key: string): void {
  const [found, fastify, javascript] = OTHER_PLACEHOLDER.exec(key) ?? []
  const param = fastify ?? javascript
  if (param === undefined) return
  throw new AnnotationError(`the resource key ${JSON.stringify(key)} contains ${found}, which is not a param here; write {${param}}. ` +
    'For a key with that literal text, use a function')
}
