// The schema part of a policy document: what an environment keeps of it, and the objects in it that have an id.
import { createHash } from 'node:crypto'
import type { CompiledSchema } from '../engine/decide/decision-schema.js'
import { compilePolicy } from '../engine/policy/compile-policy.js'
import type { Policy } from '../engine/policy/policy.js'
import { canonicalJson } from '../kit/canonical-json.js'
import { readJson } from '../kit/read-json.js'

/** The sections of a document that are no facts. */
type SchemaSection = 'resources' | 'roles' | 'user_sets' | 'resource_sets' | 'set_rules'

/** Left out where there are none: the digest of a schema stays what it was before these sections existed. */
const OPTIONAL_SECTIONS = ['user_attributes', 'tenant_attributes', 'proxy_configs'] as const

/** A policy document without facts, every section there but the optional ones. What the policy file or the API says. */
export type SchemaDocument = Required<Pick<Policy, SchemaSection>> & Pick<Policy, typeof OPTIONAL_SECTIONS[number]>

/** A schema, and the policy that it is based on. */
export interface SchemaState {
  readonly document: SchemaDocument
  /** The digest of the policy's schema, which this schema is or which the API changed; undefined without a policy. */
  readonly base: string | undefined
}

/** The name of the value that has the schema, in a data folder. */
export const SCHEMA_NAME = 'schema'

/**
 * Reads the schema of a data folder.
 * @throws when it is invalid
 */
export function readSavedSchema (json: string): { readonly state: SchemaState, readonly compiled: CompiledSchema } {
  const { document, base } = readJson(json) as SchemaState
  return { state: { document, base }, compiled: compilePolicy(document).schema }
}

/** The kinds of objects in a schema that have an id. The key of an object that belongs to a resource type is `<type>:<key>`. */
export type SchemaKind = typeof SCHEMA_KINDS[number]

/** All of these kinds. */
export const SCHEMA_KINDS = [
  'resource', 'action', 'attribute', 'resource_role', 'relation', 'role', 'user_set', 'resource_set', 'set_rule', 'action_group',
  'proxy_config'
] as const

/** One object of a schema. */
interface SchemaObject {
  readonly kind: SchemaKind
  readonly key: string
  readonly content: unknown
}

/** A copy of the document's schema. */
export function schemaOf (policy: Policy): SchemaDocument {
  const { resources = {}, roles = {}, user_sets: userSets = {}, resource_sets: resourceSets = {}, set_rules: setRules = [] } = policy
  const optional = Object.fromEntries(OPTIONAL_SECTIONS.filter(name => hasAny(policy[name])).map(name => [name, policy[name]]))
  return structuredClone({ resources, roles, user_sets: userSets, resource_sets: resourceSets, set_rules: setRules, ...optional })
}

function hasAny (declared: object | undefined): boolean {
  return declared !== undefined && Object.keys(declared).length > 0
}

/** The digest of a document or a part of one. The order of keys makes no difference. */
export function digestOf (content: unknown): string {
  // By way of JSON, because YAML has numbers that JSON has not.
  const json = content === undefined ? undefined : JSON.stringify(content)
  return createHash('sha256').update(json === undefined ? '' : canonicalJson(readJson(json)) ?? '').digest('base64')
}

/** The key of a rule among the objects of a schema. */
export function ruleKey (rule: SchemaDocument['set_rules'][number]): string {
  return JSON.stringify([rule.user_set, rule.permission, rule.resource_set, rule.is_role, rule.is_resource])
}

/** All objects of the schema that have an id. */
export function * objectsOf (schema: SchemaDocument): Generator<SchemaObject> {
  for (const [type, resource] of Object.entries(schema.resources)) {
    yield { kind: 'resource', key: type, content: resource }
    yield * within(type, 'action', resource.actions)
    yield * within(type, 'attribute', resource.attributes)
    yield * within(type, 'resource_role', resource.roles)
    yield * within(type, 'relation', resource.relations)
    yield * within(type, 'action_group', resource.action_groups)
  }
  yield * within('__user', 'attribute', schema.user_attributes)
  yield * within('__tenant', 'attribute', schema.tenant_attributes)
  for (const [key, content] of Object.entries(schema.roles)) yield { kind: 'role', key, content }
  for (const [key, content] of Object.entries(schema.user_sets)) yield { kind: 'user_set', key, content }
  for (const [key, content] of Object.entries(schema.resource_sets)) yield { kind: 'resource_set', key, content }
  for (const [key, content] of Object.entries(schema.proxy_configs ?? {})) yield { kind: 'proxy_config', key, content }
  for (const rule of schema.set_rules) yield { kind: 'set_rule', key: ruleKey(rule), content: rule }
}

function * within (type: string, kind: SchemaKind, objects: Readonly<Record<string, unknown>> = {}): Generator<SchemaObject> {
  for (const [key, content] of Object.entries(objects)) yield { kind, key: `${type}:${key}`, content }
}
