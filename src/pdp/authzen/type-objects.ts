// Which object stands for a resource type, where a PDP only knows objects.
import { SearchError } from '../../contract/errors.js'
import type { TypeObject } from '../../contract/evaluation.js'

/** The entry for types without an entry of their own. */
const OTHERS = '*'

/** The option `authzen.types`: an object for each resource type. */
export type TypeObjects = Readonly<Record<string, TypeObject>>

/** The entry for a type; undefined when there is none. */
export function typeObjectOf (types: TypeObjects, type: string): { readonly resource: string, readonly action?: string } | undefined {
  const entry = Object.hasOwn(types, type) ? types[type] : Object.hasOwn(types, OTHERS) ? types[OTHERS] : undefined
  return typeof entry === 'string' ? { resource: entry } : entry
}

/** The type and the id of an object such as `{type}:{tenant}/*`. */
export function objectFor (resource: string, type: string, tenant: string): { readonly type: string, readonly id: string } {
  const colon = resource.indexOf(':')
  return {
    type: resource.slice(0, colon).replaceAll('{type}', () => type),
    id: resource.slice(colon + 1).replaceAll('{tenant}', () => tenant)
  }
}

/** The action of a question about a type. */
export function actionFor (template: string | undefined, action: string, type: string): string {
  return template === undefined ? action : template.replace(/\{(action|type)\}/g, (_all, name) => name === 'type' ? type : action)
}

/**
 * The action that the template writes as `name`; undefined when there is none.
 * @throws `SearchError` when the template writes every action so
 */
export function actionIn (template: string, name: string, type: string): string | undefined {
  const [before = '', after] = template.split('{action}').map(part => part.replace('{type}', () => type))
  if (after === undefined) {
    if (name !== before) return undefined
    throw new SearchError(`the option "authzen.types" has one action for all actions on the type ${JSON.stringify(type)}, so a search ` +
      'cannot list them. Use check() or bulkCheck()')
  }
  const isWritten = name.startsWith(before) && name.endsWith(after) && name.length > before.length + after.length
  return isWritten ? name.slice(before.length, name.length - after.length) : undefined
}

/**
 * What is wrong with an entry, as a sentence that begins with the entry's name; undefined when nothing is.
 * @param needsTenant - whether only the id tells tenants apart
 */
export function typeObjectMistake (types: TypeObjects, needsTenant: boolean): string | undefined {
  for (const [type, entry] of Object.entries(types)) {
    const { resource, action = '' } = typeof entry === 'string' ? { resource: entry } : entry
    const [kind, id] = [resource.slice(0, resource.indexOf(':')), resource.slice(resource.indexOf(':') + 1)]
    const name = `"authzen.types" has for ${type === OTHERS ? 'all other types' : JSON.stringify(type)} ${JSON.stringify(resource)}`
    if (!resource.includes(':') || kind === '' || id === '' || id.includes(':')) return `${name}; expected 'type:id', such as 'folder:root'`
    if (/[{}]/.test(kind.replace('{type}', '')) || /[{}]/.test(id.replace('{tenant}', ''))) {
      return `${name}; expected {type} before the colon and {tenant} after it, each at most once, and no other braces`
    }
    if (/[{}]/.test(action.replace('{type}', '').replace('{action}', ''))) {
      return `${name} with the action ${JSON.stringify(action)}; expected {type} and {action}, each at most once, and no other braces`
    }
    if (type === OTHERS && !kind.includes('{type}') && !action.includes('{type}')) {
      return `${name}; expected {type} in it or in its action, because a permission on one type would be one on every other`
    }
    if (needsTenant && !id.includes('{tenant}')) {
      return `${name}; expected {tenant} in the id, because a permission in one tenant would be one in every other`
    }
  }
  return undefined
}
