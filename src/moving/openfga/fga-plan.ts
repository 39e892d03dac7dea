// The steps that make an OpenFGA store match a policy.
import { canonicalJson } from '../../kit/canonical-json.js'
import type { FgaModel, FgaType } from './fga-model.js'
import { tupleKey, type FgaTuple, type PlacedTuple } from './fga-tuples.js'

/** A plan. */
export interface FgaPlan {
  /** The model to write, and what is new about it: `+ document.read`. Undefined when the store's latest model says the same. */
  readonly model: { readonly isFirst: boolean, readonly changes: readonly string[] } | undefined
  readonly writes: readonly PlacedTuple[]
  readonly deletes: readonly FgaTuple[]
  /** Tuples that only the store has. Without `prune` they stay. */
  readonly extra: readonly FgaTuple[]
}

/** A store, as far as it is compared. */
export interface StoreContent {
  /** Its latest model in the form of {@link FgaModel}; undefined when it has none. */
  readonly model: Pick<FgaModel, 'type_definitions'> | undefined
  /** Undefined: tuples are not compared. */
  readonly tuples: readonly FgaTuple[] | undefined
}

/** Compares a translated policy with a store. */
export function planFga (
  model: FgaModel, tuples: ReadonlyMap<string, PlacedTuple>, store: StoreContent, { prune }: { prune: boolean }
): FgaPlan {
  const changes = modelChanges(store.model?.type_definitions ?? [], model.type_definitions)
  const change = changes.length === 0 ? undefined : { isFirst: store.model === undefined, changes }
  if (store.tuples === undefined) return { model: change, writes: [], deletes: [], extra: [] }
  const existing = new Set(store.tuples.map(tupleKey))
  const extra = store.tuples.filter(tuple => !tuples.has(tupleKey(tuple)))
  return {
    model: change,
    writes: [...tuples.values()].filter(tuple => !existing.has(tupleKey(tuple))),
    deletes: prune ? extra : [],
    extra: prune ? [] : extra
  }
}

/** `+ document`, `- document#read`, `~ document#edit`: an empty list for models that say the same. */
function modelChanges (before: readonly FgaType[], after: readonly FgaType[]): string[] {
  const [old, now] = [relationsOf(before), relationsOf(after)]
  return [...new Set([...old.keys(), ...now.keys()])].flatMap(name => {
    if (!old.has(name)) return [`+ ${name}`]
    if (!now.has(name)) return [`- ${name}`]
    return old.get(name) === now.get(name) ? [] : [`~ ${name}`]
  })
}

/** Everything that a model says, by the name of the type or relation that it says it of. */
function relationsOf (types: readonly FgaType[]): Map<string, string> {
  const said = new Map<string, string>()
  for (const { type, relations, metadata } of types) {
    said.set(type, '')
    for (const [relation, userset] of Object.entries(relations)) {
      const stored = metadata.relations[relation]?.directly_related_user_types ?? []
      said.set(`${type}#${relation}`, JSON.stringify(canonicalJson([userset, stored])))
    }
  }
  return said
}
