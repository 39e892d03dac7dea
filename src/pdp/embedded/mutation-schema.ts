// The schema of mutations that another process sends, because this one has the data folder.
import Type, { type TObject } from 'typebox'
import type { FactMutation } from '../mutation-kinds.js'
import { checkerOf, type Checker } from '../../kit/checker.js'

const strict = { additionalProperties: false } as const
const Key = Type.String({ minLength: 1 })
const Text = Type.Optional(Type.String())
const Attributes = Type.Optional(Type.Object({}))
const Instance = Type.String({ pattern: '^[^:]+:[^]+$' })
const MaybeKey = Type.Optional(Key)

const User = Type.Object({ key: Key, email: Text, first_name: Text, last_name: Text, attributes: Attributes }, strict)
const Roles = Type.Array(Type.Object({ role: Key, tenant: Key }, strict))
const Tenant = Type.Object({ key: Key, name: Text, description: Text, attributes: Attributes }, strict)
const Assignment = Type.Object({
  user: Key, role: Key, tenant: MaybeKey, resource_instance: Type.Optional(Instance), expires_at: MaybeKey
}, strict)
const InstanceFact = Type.Object({ resource: Type.String({ pattern: '^[^:]+$' }), key: Key, tenant: Key, attributes: Attributes }, strict)
const Tuple = Type.Object({ subject: Instance, relation: Key, object: Instance, tenant: MaybeKey }, strict)

/** The members of each kind, besides its name. The compiler reports a missing kind. */
const CONTENTS: { readonly [K in FactMutation['kind']]: TObject['properties'] } = {
  syncUser: { user: User, roles: Roles },
  deleteUser: { user: Key },
  createTenant: { tenant: Tenant },
  deleteTenant: { tenant: Key },
  assignRole: { assignment: Assignment },
  unassignRole: { assignment: Assignment },
  createResourceInstance: { instance: InstanceFact },
  deleteResourceInstance: { instance: Instance },
  createRelationshipTuple: { tuple: Tuple },
  deleteRelationshipTuple: { tuple: Tuple }
}

const MutationSchema = Type.Union(Object.entries(CONTENTS).map(([kind, content]) => {
  return Type.Object({ kind: Type.Literal(kind), ...content }, strict)
}))

export const mutationChecker = checkerOf(MutationSchema) as Checker<FactMutation>
