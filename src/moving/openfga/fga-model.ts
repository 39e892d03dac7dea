// A policy as an authorization model of OpenFGA: the same answers, for roles in tenants, roles on instances and their derivations.
import type { CompiledDerivation, CompiledResourceRole } from '../../engine/decide/derivation.js'
import type { CompiledPermission, CompiledSchema, CompiledType } from '../../engine/decide/decision-schema.js'
import type { Path } from '../moved-objects.js'
import {
  ANY_ASSIGNED, assignedRelation, LONGEST, memberRelation, policyRelation, RESERVED, roleRelation, TENANT, TENANT_OF, tenantPermission, USER
} from './fga-names.js'

interface RelationName {
  readonly relation: string
}

/** The types of users that a tuple may name. */
interface Stored {
  readonly directly_related_user_types: ReadonlyArray<{ readonly type: string }>
}

/** Who has a relation, as OpenFGA's API writes it. */
export type Userset =
  | { readonly this: Record<string, never> }
  | { readonly computedUserset: RelationName }
  | { readonly tupleToUserset: { readonly tupleset: RelationName, readonly computedUserset: RelationName } }
  | { readonly union: { readonly child: readonly Userset[] } }
  | { readonly difference: { readonly base: Userset, readonly subtract: Userset } }

/** A type of the model. */
export interface FgaType {
  readonly type: string
  readonly relations: Readonly<Record<string, Userset>>
  readonly metadata: { readonly relations: Readonly<Record<string, Stored>> }
}

/** A model. */
export interface FgaModel {
  readonly schema_version: '1.1'
  readonly type_definitions: readonly FgaType[]
}

/** A part of the policy that OpenFGA cannot express with the same answers. */
export interface Refused {
  /** For people: `action 'task:this'`. */
  readonly name: string
  readonly reason: string
  /** Its place in a policy file. */
  readonly path: Path
}

/** The translation of a schema. */
export interface TranslatedSchema {
  readonly model: FgaModel
  /** Types with permissions that roles in tenants hold. */
  readonly inTenants: ReadonlySet<string>
  /** Parts without a translation. If there are any, the model must not be used. */
  readonly refused: readonly Refused[]
}

const THIS: Userset = { this: {} }

/** Translates a compiled schema. */
export function fgaModel (schema: CompiledSchema): TranslatedSchema {
  const refused: Refused[] = []
  const types = new Map<string, TypeDraft>([[USER, new TypeDraft()], [TENANT, new TypeDraft()]])
  const draftOf = (type: string): TypeDraft => {
    let draft = types.get(type)
    if (draft === undefined) types.set(type, draft = new TypeDraft())
    return draft
  }
  const tenant = draftOf(TENANT)
  for (const role of schema.roles) tenant.stored(memberRelation(role), USER)
  const inTenants = new Set<string>()
  for (const type of schema.types.values()) {
    const draft = draftOf(type.key)
    draft.stored(TENANT_OF, TENANT)
    for (const [relation, subject] of type.relations) draft.stored(policyRelation(relation), subject)
    for (const role of type.resourceRoles.values()) {
      draft.stored(assignedRelation(role.key), USER)
      draft.define(roleRelation(role.key), holdersOf(role, type))
    }
    if (hasExclusions(type)) {
      draft.define(ANY_ASSIGNED, anyOf(Array.from(type.resourceRoles.keys(), role => computed(assignedRelation(role)))))
    }
    for (const permission of type.permissions.values()) {
      const { action } = permission
      const path = ['resources', type.key, 'actions', action]
      const reason = mistakeIn(action)
      if (reason !== undefined) refused.push({ name: `action '${permission.key}'`, reason, path })
      const roles = tenantRoles(permission, refused)
      const name = tenantPermission(type.key, action)
      if (roles.length > 0) {
        inTenants.add(type.key)
        tenant.define(name, anyOf(roles.map(role => computed(memberRelation(role)))))
      }
      const held = (permission.held?.by ?? []).map(role => computed(roleRelation(role.key)))
      const ways = [...held, ...(roles.length === 0 ? [] : [from(TENANT_OF, name)])]
      // No user may do it: no tuple has this relation.
      if (ways.length === 0) draft.stored(action, USER)
      else draft.define(action, anyOf(ways))
    }
  }
  return {
    model: { schema_version: '1.1', type_definitions: Array.from(types, ([type, draft]) => draft.toType(type)) },
    inTenants,
    refused
  }
}

/** Users who have the role on an object: assigned, or derived along a relation. */
function holdersOf (role: CompiledResourceRole, type: CompiledType): Userset {
  const derived = role.derivations
    // A derivation from a type other than that of the relation's subjects gives the role to no user.
    .filter(({ relation, source }) => type.relations.get(relation) === source.type)
    .map(({ relation, source, unlessDirectRole }: CompiledDerivation): Userset => {
      const holders = from(policyRelation(relation), roleRelation(source.key))
      return unlessDirectRole ? { difference: { base: holders, subtract: computed(ANY_ASSIGNED) } } : holders
    })
  return anyOf([computed(assignedRelation(role.key)), ...derived])
}

function hasExclusions ({ resourceRoles }: CompiledType): boolean {
  return [...resourceRoles.values()].some(({ derivations }) => derivations.some(({ unlessDirectRole }) => unlessDirectRole))
}

/** The roles in tenants that hold the permission, by themselves or by a rule. Rules with conditions are refused. */
function tenantRoles ({ key, grantedBy, rules }: CompiledPermission, refused: Refused[]): string[] {
  const roles = new Set(grantedBy.keys())
  for (const { set: users, resourceSets } of rules?.userSets ?? []) {
    for (const { set: resources, index } of resourceSets) {
      if (users.kind === 'role' && resources.kind === 'type') {
        roles.add(users.key)
        continue
      }
      const sets = [
        ...(users.kind === 'role' ? [] : [`user set '${users.key}'`]),
        ...(resources.kind === 'type' ? [] : [`resource set '${resources.key}'`])
      ]
      refused.push({
        name: `rule that '${users.key}' has '${key}' on '${resources.key}'`,
        reason: `it depends on the attributes of ${sets.join(' and ')}, and tuples have none`,
        path: ['set_rules', index]
      })
    }
  }
  return [...roles].sort()
}

/** Why a relation cannot have this name; undefined when it can. */
function mistakeIn (action: string): string | undefined {
  if (RESERVED.has(action)) return 'OpenFGA reserves this name'
  return action.length > LONGEST.relation ? `its name is longer than ${LONGEST.relation} characters` : undefined
}

/** A type that is being put together. A resource type may have the name of the users' or the tenants' type. */
class TypeDraft {
  readonly #relations = new Map<string, Userset>()
  readonly #stored = new Map<string, string>()

  /** A relation that tuples have, to a type. */
  stored (relation: string, type: string): void {
    this.#relations.set(relation, THIS)
    this.#stored.set(relation, type)
  }

  /** A relation that follows from others. */
  define (relation: string, userset: Userset): void {
    this.#relations.set(relation, userset)
  }

  toType (type: string): FgaType {
    const stored = Array.from(this.#stored, ([relation, type]) => [relation, { directly_related_user_types: [{ type }] }] as const)
    return { type, relations: Object.fromEntries(this.#relations), metadata: { relations: Object.fromEntries(stored) } }
  }
}

function computed (relation: string): Userset {
  return { computedUserset: { relation } }
}

function from (tupleset: string, relation: string): Userset {
  return { tupleToUserset: { tupleset: { relation: tupleset }, computedUserset: { relation } } }
}

/** Each of them once. */
function anyOf (usersets: readonly Userset[]): Userset {
  const distinct = [...new Map(usersets.map(userset => [JSON.stringify(userset), userset])).values()]
  return distinct.length === 1 ? distinct[0] as Userset : { union: { child: distinct } }
}
