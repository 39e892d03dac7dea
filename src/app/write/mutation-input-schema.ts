// The schemas of the arguments of the write API.
import Type, { type Static, type TObject } from 'typebox'
import type { JsonObject } from '../../contract/point.js'
import { checkerOf, type Checker } from '../../kit/checker.js'

const strict = { additionalProperties: false } as const

/** RFC 3339. Whether there is such a day is checked where it is written. */
const TIME = '^\\d{4}-\\d\\d-\\d\\d[Tt]\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,9})?(?:[Zz]|[+-]\\d\\d:\\d\\d)$'

export const KEY = 'a non-empty string'
export const INSTANCE = { pattern: '^[^:]+:[^]+$', expected: "'<type>:<key>'" }

const Key = Type.String({ minLength: 1, expected: KEY })
const Text = Type.Optional(Type.String({ expected: 'a string' }))
const Attributes = Type.Optional(Type.Unsafe<JsonObject>({ type: 'object', expected: 'an object that can be serialized as JSON' }))
/** A colon would make `type:key` ambiguous. */
const TypeKey = Type.String({ pattern: '^[^:]+$', expected: 'a resource type, which has no colon' })
const Instance = Type.String(INSTANCE)

export const RoleInTenant = Type.Object({ role: Key, tenant: Type.Optional(Key) }, strict)

const UserSchema = Type.Object({
  key: Key,
  email: Text,
  first_name: Text,
  last_name: Text,
  attributes: Attributes,
  roles: Type.Optional(Type.Array(RoleInTenant, { expected: 'a list of { role, tenant? }' }))
}, strict)

const TenantSchema = Type.Object({ key: Key, name: Text, description: Text, attributes: Attributes }, strict)

const InstanceSchema = Type.Object({ resource: TypeKey, key: Key, tenant: Type.Optional(Key), attributes: Attributes }, strict)

const AssignmentSchema = Type.Object({
  user: Key,
  role: Key,
  tenant: Type.Optional(Key),
  resource_instance: Type.Optional(Instance),
  expires_at: Type.Optional(Type.String({ pattern: TIME, expected: "a time with a zone, such as '2027-01-31T18:00:00Z'" }))
}, strict)

const TupleSchema = Type.Object({ subject: Instance, relation: Key, object: Instance, tenant: Type.Optional(Key) }, strict)

/** A schema and its checker. */
export interface Input<T extends TObject> { readonly schema: T, readonly checker: Checker<Static<T>> }

export const userInput: Input<typeof UserSchema> = { schema: UserSchema, checker: checkerOf(UserSchema) }
export const tenantInput: Input<typeof TenantSchema> = { schema: TenantSchema, checker: checkerOf(TenantSchema) }
export const instanceInput: Input<typeof InstanceSchema> = { schema: InstanceSchema, checker: checkerOf(InstanceSchema) }
export const assignmentInput: Input<typeof AssignmentSchema> = { schema: AssignmentSchema, checker: checkerOf(AssignmentSchema) }
export const tupleInput: Input<typeof TupleSchema> = { schema: TupleSchema, checker: checkerOf(TupleSchema) }
