// What OpenFGA's documentation says of a model and its tuples, in the slow and obvious way.
import type { FgaModel, Userset } from '../../../src/moving/openfga/fga-model.js'
import type { FgaTuple } from '../../../src/moving/openfga/fga-tuples.js'

/** Answers checks. */
export function referenceFor ({ type_definitions: types }: FgaModel, tuples: Iterable<FgaTuple>) {
  const relationsOf = new Map(types.map(({ type, relations }) => [type, relations]))
  const stored = new Map<string, string[]>()
  for (const { user, relation, object } of tuples) {
    const key = `${object} ${relation}`
    stored.set(key, [...stored.get(key) ?? [], user])
  }

  const usersetOf = (object: string, relation: string): Userset | undefined => relationsOf.get(object.slice(0, object.indexOf(':')))?.[relation]

  function holds (userset: Userset, user: string, relation: string, object: string, path: ReadonlySet<string>): boolean {
    if ('this' in userset) return stored.get(`${object} ${relation}`)?.includes(user) === true
    if ('computedUserset' in userset) return has(user, userset.computedUserset.relation, object, path)
    if ('union' in userset) return userset.union.child.some(child => holds(child, user, relation, object, path))
    if ('difference' in userset) {
      return holds(userset.difference.base, user, relation, object, path) && !holds(userset.difference.subtract, user, relation, object, path)
    }
    const { tupleset, computedUserset } = userset.tupleToUserset
    return (stored.get(`${object} ${tupleset.relation}`) ?? []).some(parent => has(user, computedUserset.relation, parent, path))
  }

  function has (user: string, relation: string, object: string, path: ReadonlySet<string>): boolean {
    const place = `${object} ${relation}`
    const userset = usersetOf(object, relation)
    // A question on the way to its own answer adds nothing.
    if (userset === undefined || path.has(place)) return false
    return holds(userset, user, relation, object, new Set([...path, place]))
  }

  return {
    check: (user: string, relation: string, object: string): boolean => has(user, relation, object, new Set()),
    /** Why OpenFGA would refuse the model or the tuples. */
    mistakes: (): string[] => [
      ...types.flatMap(({ type, relations, metadata }) => Object.entries(relations).flatMap(([relation, userset]) => [
        ...(/^[^:#@\s]{1,50}$/.test(relation) ? [] : [`${type} has a relation '${relation}'`]),
        ...('this' in userset === (metadata.relations[relation] !== undefined) ? [] : [`${type}#${relation} has no types, or too many`]),
        ...('union' in userset && userset.union.child.length < 2 ? [`${type}#${relation} is a union of one`] : [])
      ])),
      ...[...tuples].flatMap(({ user, relation, object }) => {
        const allowed = types.find(({ type }) => object.startsWith(`${type}:`))?.metadata.relations[relation]?.directly_related_user_types ?? []
        return [
          ...(allowed.some(({ type }) => user.startsWith(`${type}:`)) ? [] : [`${object}#${relation} cannot be ${user}`]),
          ...(/^[^:#@\s]+:[^:#@\s*]+(\/\*)?$/.test(object) && /^[^:#@\s]+:[^:#@\s*]+$/.test(user) ? [] : [`${user} or ${object} is no id`])
        ]
      })
    ]
  }
}
