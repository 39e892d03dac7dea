// The shapes of what Permit's PDP answers.
import Type from 'typebox'
import { checkerOf } from '../../kit/checker.js'

// `result` duplicates `allow` for old SDKs. It is never read: a single field decides.
const AllowedAnswer = Type.Object({ allow: Type.Boolean(), debug: Type.Optional(Type.Unknown()), error: Type.Optional(Type.Unknown()) })

const PermissionsAnswer = Type.Record(Type.String(), Type.Object({
  tenant: Type.Optional(Type.Object({ key: Type.String(), attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown())) })),
  resource: Type.Optional(Type.Object({
    type: Type.String(), key: Type.String(), attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown()))
  })),
  permissions: Type.Array(Type.String()),
  roles: Type.Optional(Type.Array(Type.String()))
}))

/** The body with which Permit's API rejects a write. A 404 for an unknown path has no `error_code`. */
const Refusal = Type.Object({
  error_code: Type.String(), message: Type.Optional(Type.String()), title: Type.Optional(Type.String())
})

const Instance = Type.Object({ resource: Type.String(), key: Type.String(), tenant: Type.String() })

const Keyed = Type.Object({ key: Type.String() })

const UserTenantsAnswer = Type.Array(Keyed)
const AllTenantsAnswer = Type.Object({ allowed_tenants: Type.Array(Type.Object({ allow: Type.Boolean(), tenant: Keyed })) })
const AuthorizedUsersAnswer = Type.Object({ users: Type.Record(Type.String(), Type.Array(Type.Unknown())) })
const SearchAnswer = Type.Object({ results: Type.Array(Type.String({ minLength: 1 })), page: Type.Unknown() })

export const allowedAnswer = checkerOf(AllowedAnswer)
export const permissionsAnswer = checkerOf(PermissionsAnswer)
export const refusal = checkerOf(Refusal)
export const instanceAnswer = checkerOf(Instance)
export const userTenantsAnswer = checkerOf(UserTenantsAnswer)
export const allTenantsAnswer = checkerOf(AllTenantsAnswer)
export const authorizedUsersAnswer = checkerOf(AuthorizedUsersAnswer)
export const searchAnswer = checkerOf(SearchAnswer)
