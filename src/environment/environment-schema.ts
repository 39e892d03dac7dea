// The schema half of a policy document: what an environment keeps of it, and the objects that are in it.
import { createHash } from 'node:crypto'
import { stringify } from 'safe-stable-stringify'
import type { Policy } from '../engine/policy/policy.js'

const SECTIONS = ['resources', 'roles', 'user_sets', 'resource_sets', 'set_rules'] as const

/** A policy document without facts, every section there. What the policy file or the API says. */
export type SchemaDocument = Required<Pick<Policy, typeof SECTIONS[number]>>

/** A schema, and where it began. */
export interface SchemaState {
  readonly document: SchemaDocument
  /** Digest of the policy's schema that it is, or that the API made it of; undefined without a policy. */
  readonly base: string | undefined
}

/** What has an id in the schema. The key of what belongs to a resource type is `<type>:<key>`. */
export type SchemaKind = typeof SCHEMA_KINDS[number]

/** All of them. */
export const SCHEMA_KINDS = ['resource', 'action', 'attribute', 'resource_role', 'relation', 'role', 'user_set', 'resource_set', 'set_rule'] as const

/** One object of a schema. */
interface SchemaObject {
  readonly kind: SchemaKind
  readonly key: string
  readonly content: unknown
}

/** The document's schema, copied. */
export function schemaOf (policy: Policy): SchemaDocument {
  const { resources = {}, roles = {}, user_sets: userSets = {}, resource_sets: resourceSets = {}, set_rules: setRules = [] } = policy
  return structuredClone({ resources, roles, user_sets: userSets, resource_sets: resourceSets, set_rules: setRules })
}

/** The document without its schema. */
export function factsOf (policy: Policy): Policy {
  return Object.fromEntries(Object.entries(policy).filter(([section]) => !(SECTIONS as readonly string[]).includes(section)))
}

/** Equal for documents, and parts of them, that say the same, in whatever order of keys. */
export function digestOf (content: unknown): string {
  return createHash('sha256').update(stringify(content) ?? '').digest('base64')
}

/** The key that a rule has among the objects of a schema. */
export function ruleKey (rule: SchemaDocument['set_rules'][number]): string {
  return JSON.stringify([rule.user_set, rule.permission, rule.resource_set, rule.is_role, rule.is_resource])
}

/** Everything in the schema that has an id. */
export function * objectsOf (schema: SchemaDocument): Generator<SchemaObject> {
  for (const [type, resource] of Object.entries(schema.resources)) {
    yield { kind: 'resource', key: type, content: resource }
    yield * within(type, 'action', resource.actions)
    yield * within(type, 'attribute', resource.attributes)
    yield * within(type, 'resource_role', resource.roles)
    yield * within(type, 'relation', resource.relations)
  }
  for (const [key, content] of Object.entries(schema.roles)) yield { kind: 'role', key, content }
  for (const [key, content] of Object.entries(schema.user_sets)) yield { kind: 'user_set', key, content }
  for (const [key, content] of Object.entries(schema.resource_sets)) yield { kind: 'resource_set', key, content }
  for (const rule of schema.set_rules) yield { kind: 'set_rule', key: ruleKey(rule), content: rule }
}

function * within (type: string, kind: SchemaKind, objects: Readonly<Record<string, unknown>> = {}): Generator<SchemaObject> {
  for (const [key, content] of Object.entries(objects)) yield { kind, key: `${type}:${key}`, content }
}
