// Permit's built-in resources: users and tenants, which have attributes and nothing else that can be changed.
import { commonFields } from '../common-fields.js'
import type { SchemaDocument } from '../../../environment/environment.js'
import type { PolicyAttribute } from '../../../engine/policy/policy.js'

/** The key of a built-in resource. */
export type BuiltInKey = '__user' | '__tenant'

interface BuiltIn {
  readonly id: string
  readonly name: string
  /** The section of the policy with the attributes that were declared. */
  readonly section: 'user_attributes' | 'tenant_attributes'
  /** The attributes that each user or tenant has. They cannot be changed. */
  readonly attributes: Readonly<Record<string, PolicyAttribute['type']>>
}

const BUILT_IN: Readonly<Record<BuiltInKey, BuiltIn>> = {
  __user: {
    id: '10ca1000-0000-4000-8000-000000000101',
    name: 'User',
    section: 'user_attributes',
    attributes: { key: 'string', roles: 'array', email: 'string', first_name: 'string', last_name: 'string' }
  },
  __tenant: { id: '10ca1000-0000-4000-8000-000000000201', name: 'Tenant', section: 'tenant_attributes', attributes: { key: 'string' } }
}

/** The keys of the built-in resources. */
export const BUILT_IN_KEYS = Object.keys(BUILT_IN) as BuiltInKey[]

/** The key of the built-in resource with this key or id. */
export function builtInKey (given: string): BuiltInKey | undefined {
  return BUILT_IN_KEYS.find(key => key === given || BUILT_IN[key].id === given)
}

/** Whether the key of a resource is that of a built-in one. */
export function isBuiltIn (key: string): key is BuiltInKey {
  return Object.hasOwn(BUILT_IN, key)
}

/** The built-in resource with this key. */
export function builtIn (key: BuiltInKey): BuiltIn {
  return BUILT_IN[key]
}

/** The attributes of a built-in resource that were declared. */
export function declaredAttributes (schema: SchemaDocument, key: BuiltInKey): Record<string, PolicyAttribute | null> {
  return schema[BUILT_IN[key].section] ?? {}
}

/** When built-in objects were created: the same for all local PDPs. */
const CREATED = '2024-01-01T00:00:00.000Z'

/** The id and the times of a built-in resource. */
export function builtInStamp (key: BuiltInKey) {
  return commonFields({ id: BUILT_IN[key].id, created_at: CREATED, updated_at: CREATED })
}

/** The id and the times of a built-in attribute. The last digit of its id is its place among them. */
export function builtInAttributeStamp (key: BuiltInKey, attribute: string) {
  const { id, attributes } = BUILT_IN[key]
  const place = Object.keys(attributes).indexOf(attribute) + 2
  return commonFields({ id: `${id.slice(0, -1)}${place}`, created_at: CREATED, updated_at: CREATED })
}
