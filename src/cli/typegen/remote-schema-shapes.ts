// The shapes of what Permit's API answers about a schema.
import Type from 'typebox'
import { checkerOf } from '../../kit/checker.js'

const Scope = Type.Object({ project_id: Type.String({ minLength: 1 }), environment_id: Type.String({ minLength: 1 }) })
const Keyed = Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]))
const Resource = Type.Object({
  key: Type.String({ minLength: 1 }), actions: Keyed, roles: Keyed, relations: Keyed, attributes: Keyed
})
const Resources = Type.Array(Resource)
const Attributes = Type.Array(Type.Object({
  key: Type.String({ minLength: 1 }), type: Type.String(), built_in: Type.Optional(Type.Boolean())
}))
const ConditionSets = Type.Array(Type.Object({ conditions: Type.Optional(Type.Unknown()) }))
const Roles = Type.Array(Type.Object({ key: Type.String({ minLength: 1 }) }))

export const scope = checkerOf(Scope)
export const listedResources = checkerOf(Resources)
export const listedAttributes = checkerOf(Attributes)
export const listedConditionSets = checkerOf(ConditionSets)
export const listedRoles = checkerOf(Roles)
