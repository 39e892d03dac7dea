// The steps that make an environment match a policy.
import { canonicalJson } from '../kit/canonical-json.js'
import { DEFAULT_TENANT } from '../engine/facts/fact.js'
import type { Model } from './moved-policy.js'
import { byRank, FACT_KINDS, idOf, movedObjects, type Moved } from './moved-objects.js'

/** One step. */
export interface Step {
  /** `replace`: it cannot be changed, so it is deleted and created again. */
  readonly op: 'create' | 'change' | 'replace' | 'delete'
  /** The new object; for a deletion, the existing one. */
  readonly object: Moved
  /** The existing object, for `change` and `replace`. */
  readonly before?: Moved
}

/** A plan. */
export interface MovePlan {
  /** In an order in which they can be applied. */
  readonly steps: readonly Step[]
  /** Objects that only the environment has. Without `prune` they stay. */
  readonly extra: readonly Moved[]
}

/**
 * Compares a policy with an environment.
 *
 * @param wanted - the policy
 * @param actual - the environment
 * @param prune - whether objects that the policy does not have are deleted
 */
export function planMove (wanted: Model, actual: Model, { prune }: { prune: boolean }): MovePlan {
  const existing = new Map(Array.from(movedObjects(actual), object => [idOf(object), object] as const))
  const objects = [...movedObjects(wanted)].sort(byRank)
  const kept = new Set(objects.map(idOf))
  const stays = ({ kind, keys: [key] }: Moved): boolean => {
    if (kind === 'tenant') return key === DEFAULT_TENANT
    // A proxy configuration has a secret that cannot be restored. It is only deleted for a file with a section of them.
    return kind === 'proxy_config' && wanted.schema.proxy_configs === undefined
  }
  const extra = [...existing].filter(([id, object]) => !kept.has(id) && !stays(object)).map(([, object]) => object)
  const replaced = objects.filter(object => {
    const before = existing.get(idOf(object))
    return before !== undefined && isOther(before, object)
  })
  const gone = goneWith(replaced, existing.values())
  const steps: Step[] = []
  for (const object of rolesByParents(objects)) {
    const before = gone.has(idOf(object)) ? undefined : existing.get(idOf(object))
    if (before === undefined) steps.push({ op: 'create', object })
    else if (isOther(before, object)) steps.push({ op: 'replace', object, before })
    else if (canonicalJson(before.value) !== canonicalJson(object.value)) steps.push({ op: 'change', object, before })
  }
  if (!prune) return { steps, extra }
  const deletions = extra.filter(object => !gone.has(idOf(object)) && !goesWithItsResource(object, existing, kept))
    .sort((a, b) => byRank(b, a)).map((object): Step => ({ op: 'delete', object }))
  // Facts go first: an instance that is created anew must have lost what the policy does not have. Of the schema, what is created no
  // longer needs what is deleted.
  const isFact = ({ object }: Step): boolean => FACT_KINDS.has(object.kind)
  return { steps: [...deletions.filter(isFact), ...steps, ...deletions.filter(step => !isFact(step))], extra: [] }
}

/** Whether the objects differ in members that cannot be changed. */
function isOther (a: Moved, b: Moved): boolean {
  return a.fixed !== b.fixed || a.kind !== b.kind
}

/** A part of a resource that is deleted. */
function goesWithItsResource (
  { kind, keys: [type = ''] }: Moved, existing: ReadonlyMap<string, Moved>, kept: ReadonlySet<string>
): boolean {
  if (!PARTS.has(kind)) return false
  const resource = idOf({ kind: 'resource', keys: [type] })
  return existing.has(resource) && !kept.has(resource)
}

const PARTS: ReadonlySet<string> = new Set([
  'action', 'attribute', 'action_group', 'relation', 'resource_role', 'derivation', 'derivation_settings'
])

/** Objects that are deleted together with replaced objects, because they depend on them. */
function goneWith (replaced: readonly Moved[], existing: Iterable<Moved>): ReadonlySet<string> {
  if (replaced.length === 0) return new Set()
  const relations = new Set<string>()
  const sets = new Set<string>()
  const instances = new Set<string>()
  for (const { kind, keys: [first = '', second = ''] } of replaced) {
    if (kind === 'relation') relations.add(JSON.stringify([first, second]))
    else if (kind === 'user_set' || kind === 'resource_set') sets.add(first)
    else if (kind === 'resource_instance') instances.add(`${first}:${second}`)
  }
  const gone = new Set<string>()
  for (const object of existing) {
    if (isGone(object, relations, sets, instances)) gone.add(idOf(object))
  }
  return gone
}

function isGone (
  { kind, keys }: Moved, relations: ReadonlySet<string>, sets: ReadonlySet<string>, instances: ReadonlySet<string>
): boolean {
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = keys
  switch (kind) {
    case 'derivation': return relations.has(JSON.stringify([first, fifth]))
    case 'set_rule': return (sets.has(first) && fourth === 'set') || (sets.has(third) && fifth === 'set')
    case 'role_assignment': return instances.has(fourth)
    case 'relationship_tuple':
      return instances.has(first) || instances.has(third) || relations.has(JSON.stringify([third.slice(0, third.indexOf(':')), second]))
    default: return false
  }
}

/** The same objects, each role after those that it inherits from, so that no intermediate state has a cycle. */
function rolesByParents (objects: readonly Moved[]): readonly Moved[] {
  const roles = new Map(objects.filter(isRole).map(role => [idOf(role), role]))
  const sorted = new Set<Moved>()
  const add = (role: Moved): void => {
    if (sorted.has(role)) return
    for (const parent of (role.value['extends'] ?? []) as readonly string[]) {
      const found = roles.get(idOf({ kind: role.kind, keys: [...role.keys.slice(0, -1), parent] }))
      if (found !== undefined && found !== role) add(found)
    }
    sorted.add(role)
  }
  for (const role of roles.values()) add(role)
  const inOrder = { role: [] as Moved[], resource_role: [] as Moved[] }
  for (const role of sorted) inOrder[role.kind as 'role' | 'resource_role'].push(role)
  const next = { role: 0, resource_role: 0 }
  return objects.map(object => isRole(object) ? inOrder[object.kind][next[object.kind]++] as Moved : object)
}

function isRole (object: Moved): object is Moved & { kind: 'role' | 'resource_role' } {
  return object.kind === 'role' || object.kind === 'resource_role'
}
