// The policy that is moved: a schema in its normal form, and facts with everything that a policy file may omit.
import { DEFAULT_TENANT } from '../engine/facts/fact.js'
import type {
  RelationshipTupleFact, ResourceInstanceFact, RoleAssignmentFact, TenantFact, UserFact
} from '../engine/facts/fact.js'
import type { DocumentFacts } from '../engine/policy/compile-facts.js'
import type { Policy } from '../engine/policy/policy.js'
import { normalSchema, texts, valuesOf, type Schema } from './normal-form.js'

/** The facts of a policy or of an environment: complete, with tenants, and with instances that are only mentioned. */
export interface Facts {
  readonly tenants: readonly TenantFact[]
  readonly users: readonly UserFact[]
  readonly instances: readonly ResourceInstanceFact[]
  readonly assignments: readonly RoleAssignmentFact[]
  readonly tuples: readonly RelationshipTupleFact[]
}

/** A schema, and facts if they are moved, too. */
export interface Model {
  readonly schema: Schema
  readonly facts: Facts | undefined
}

/** The model of a valid policy, and of its compiled facts. */
export function modelOf (policy: Policy, facts: DocumentFacts | undefined): Model {
  return {
    schema: normalSchema(policy),
    facts: facts === undefined
      ? undefined
      : {
          tenants: Array.from(facts.tenants.values(), normalTenant),
          users: Array.from(facts.users.values(), normalUser),
          instances: Array.from(facts.resourceInstances.values(), normalInstance),
          assignments: facts.roleAssignments,
          tuples: facts.relationshipTuples
        }
  }
}

type Nullable<T> = { readonly [K in keyof T]?: T[K] | null | undefined }

/** A tenant without redundant members. */
export function normalTenant ({ key, name, description, attributes }: { key: string } & Nullable<Omit<TenantFact, 'key'>>): TenantFact {
  return { key, ...texts(key, { name: name ?? null, description: description ?? null }), ...valuesOf(attributes) }
}

/** A user without redundant members. */
export function normalUser (user: { key: string } & Nullable<Omit<UserFact, 'key'>>): UserFact {
  const { key, email, first_name: firstName, last_name: lastName, attributes } = user
  return {
    key,
    ...(typeof email === 'string' ? { email } : {}),
    ...(typeof firstName === 'string' ? { first_name: firstName } : {}),
    ...(typeof lastName === 'string' ? { last_name: lastName } : {}),
    ...valuesOf(attributes)
  }
}

/** An instance without redundant members. */
export function normalInstance (
  { resource, key, tenant, attributes }: { resource: string, key: string } & Nullable<Pick<ResourceInstanceFact, 'tenant' | 'attributes'>>
): ResourceInstanceFact {
  return { resource, key, tenant: tenant ?? DEFAULT_TENANT, ...valuesOf(attributes) }
}

/** A record of a list in a policy file. */
export interface ListedFact {
  /** Its content, with everything that a file may omit. */
  readonly complete: object
  /** Its form in a file. */
  readonly record: object
  /** Whether it follows from other records, so that a file may omit it. */
  readonly follows: boolean
}

/** The names of the lists of facts. */
export const FACT_LISTS = ['role_assignments', 'resource_instances', 'relationship_tuples'] as const

/** The lists of facts, sorted. */
export type FactLists = Readonly<Record<typeof FACT_LISTS[number], readonly ListedFact[]>>

/** The lists of facts as a policy file has them: sorted, and without what follows from the rest. */
export function factLists ({ instances, assignments, tuples }: Facts): FactLists {
  const mentioned = new Set([
    ...assignments.map(({ resource_instance: on }) => on), ...tuples.flatMap(({ subject, object }) => [subject, object])
  ])
  return {
    role_assignments: sorted(assignments, ({ user, role, tenant, resource_instance: on, expires_at: end }) => ({
      user,
      role,
      ...(on === undefined ? (tenant === DEFAULT_TENANT ? {} : { tenant }) : { resource_instance: on }),
      ...(end === undefined ? {} : { expires_at: end })
    })),
    resource_instances: sorted(instances, ({ resource, key, tenant, attributes }) =>
      ({ resource, key, ...(tenant === DEFAULT_TENANT ? {} : { tenant }), ...valuesOf(attributes) }),
    ({ resource, key, tenant, attributes }) =>
      attributes === undefined && tenant === DEFAULT_TENANT && mentioned.has(`${resource}:${key}`)),
    relationship_tuples: sorted(tuples, ({ subject, relation, object }) => ({ subject, relation, object }))
  }
}

/** Tenants and users as a policy file has them. */
export function factBlocks ({ tenants, users }: Facts): Pick<Policy, 'tenants' | 'users'> {
  return {
    ...keyed('tenants', tenants.filter(({ key, ...rest }) => key !== DEFAULT_TENANT || Object.keys(rest).length > 0)),
    ...keyed('users', users)
  }
}

/** All facts as a policy file has them. */
export function factSections (facts: Facts): Partial<Policy> {
  const lists = Object.entries(factLists(facts)).map(([name, items]) =>
    [name, items.filter(({ follows }) => !follows).map(({ record }) => record)] as const)
  return { ...factBlocks(facts), ...Object.fromEntries(lists.filter(([, items]) => items.length > 0)) }
}

function keyed<N extends 'tenants' | 'users'> (name: N, records: ReadonlyArray<{ readonly key: string }>): Pick<Policy, N> {
  if (records.length === 0) return {} as Pick<Policy, N>
  const inOrder = [...records].sort((a, b) => compareText(a.key, b.key))
  return { [name]: Object.fromEntries(inOrder.map(({ key, ...rest }) => [key, rest])) } as Pick<Policy, N>
}

function sorted<T extends object> (
  facts: readonly T[], recordOf: (fact: T) => object, follows: (fact: T) => boolean = () => false
): ListedFact[] {
  return facts.map(complete => ({ complete, record: recordOf(complete), follows: follows(complete) }))
    .map(fact => [JSON.stringify(fact.record), fact] as const)
    .sort(([a], [b]) => compareText(a, b))
    .map(([, fact]) => fact)
}

/** The order of UTF-16 code units, which is the same on every machine. */
export function compareText (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
