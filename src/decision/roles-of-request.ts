// Roles that the app knows of a request's user, from a token: they reach the engine with the user of the request, and only so.
import { PdpError, QueryError, UnavailableError } from '../contract/errors.js'
import { isOpaque, isRecord } from '../kit/is-record.js'
import { isThenable, type MaybePromise } from '../kit/maybe-promise.js'
import type { GivenRoles, QueryUser } from '../contract/point.js'
import { describe } from './input-checks.js'
import { normaliseTenant, normaliseUser, UserWithRoles, type UserInput } from './query.js'

/**
 * What the option `roles` returns: the keys of roles in the tenant that the option `tenant` gives for the request (without it: `default`),
 * or by tenant.
 */
export type RolesInput = readonly string[] | Readonly<Record<string, readonly string[]>> | null | undefined

/** Returns the roles of a request's user. */
export type RolesOption<R> = (request: R) => RolesInput | Promise<RolesInput>

type Who = UserInput | null | undefined
type TenantValue = string | readonly string[] | null | undefined

/** The most roles of one user. */
const MAX_ROLES = 1_000

const EXPECTED = 'expected a list of roles, or { [tenant]: roles }'

/**
 * The user of a request, with the roles that the app gives. Roles are only asked for when there is a user.
 *
 * @param tenant - the option `tenant`
 */
export function userWithRoles<R> (
  user: (request: R) => MaybePromise<Who>, roles: RolesOption<R>, tenant: ((request: R) => MaybePromise<TenantValue>) | undefined
): (request: R) => MaybePromise<Who> {
  const given = (request: R, who: Who): MaybePromise<Who> => {
    if (who === undefined || who === null || who === '') return who
    const known = normaliseUser(who)
    let answer: RolesInput | Promise<RolesInput>
    try {
      answer = roles(request)
    } catch (error) {
      throw notKnown(error)
    }
    return isThenable(answer)
      ? Promise.resolve(answer).then(answer => withRoles(request, known, answer), (error: unknown) => { throw notKnown(error) })
      : withRoles(request, known, answer)
  }
  const withRoles = (request: R, known: QueryUser, answer: RolesInput): MaybePromise<Who> => {
    if (!Array.isArray(answer)) return rolesOfUser(known, byTenant(answer))
    // Checked before the tenant is asked for.
    const own = keysOf(answer, 'roles')
    if (own.length === 0 || tenant === undefined) return rolesOfUser(known, [[normaliseTenant(undefined), own]])
    const where = tenant(request)
    return isThenable(where) ? Promise.resolve(where).then(where => rolesIn(where, known, own)) : rolesIn(where, known, own)
  }
  return request => {
    const who = user(request)
    return isThenable(who) ? Promise.resolve(who).then(who => given(request, who)) : given(request, who)
  }
}

/** A tenant may come from a client. Where it can be none there are no roles, and the question itself refuses its tenant. */
function rolesIn (where: TenantValue, known: QueryUser, own: readonly string[]): UserWithRoles {
  let tenant: string
  try {
    tenant = normaliseTenant(where)
  } catch {
    return rolesOfUser(known, [])
  }
  return rolesOfUser(known, [[tenant, own]])
}

function rolesOfUser (user: QueryUser, roles: GivenRoles): UserWithRoles {
  const some = roles.filter(([, keys]) => keys.length > 0)
  if (some.reduce((count, [, keys]) => count + keys.length, 0) > MAX_ROLES) {
    throw new UnavailableError(new PdpError('overload', `the option "roles" returned more than ${MAX_ROLES} roles`))
  }
  return new UserWithRoles(some.length === 0 ? user : { ...user, roles: some })
}

/** In one order, so that equal roles are one question. */
function byTenant (answer: unknown): GivenRoles {
  if (answer === undefined || answer === null) return []
  if (!isRecord(answer) || isOpaque(answer)) throw new QueryError(`the option "roles" returned ${describe(answer)}; ${EXPECTED}`)
  return Object.entries(answer)
    .map(([tenant, keys]): [string, readonly string[]] => [normaliseTenant(tenant), keysOf(keys, `roles['${tenant}']`)])
    .sort(([a], [b]) => a < b ? -1 : 1)
}

function keysOf (roles: unknown, what: string): readonly string[] {
  if (!Array.isArray(roles)) throw new QueryError(`the option "roles" returned ${describe(roles)} as ${what}; ${EXPECTED}`)
  const wrong = Array.from(roles as unknown[]).find(role => typeof role !== 'string' || role === '')
  if (roles.length > 0 && (wrong !== undefined || roles.includes(undefined))) {
    throw new QueryError(`the option "roles" returned ${describe(wrong)} as a role; ${EXPECTED}, each a key`)
  }
  return [...new Set(roles as string[])].sort()
}

/** Without the roles there is no decision. An error with a status of its own, such as the 401 of a token's plugin, stays. */
function notKnown (error: unknown): unknown {
  if (error instanceof Error && typeof (error as { statusCode?: unknown }).statusCode === 'number') return error
  return new UnavailableError(new PdpError('undecided', 'the option "roles" threw an error', { cause: error }))
}
