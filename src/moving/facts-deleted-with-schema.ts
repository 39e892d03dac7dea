// Finds facts that Permit would delete together with a part of the schema. A push without `--facts` must not delete facts.
import { isRecord } from '../kit/is-record.js'
import type { MovePlan } from './move-plan.js'
import { nameOf, type Moved } from './moved-objects.js'
import type { RestClient } from './rest-client.js'

/** The number of items that are read. */
const PER_PAGE = 100

/** Sentences that name each part of the schema that is deleted while facts need it, and what these facts are. */
export async function factsThatWouldGo (client: RestClient, { steps }: MovePlan): Promise<string[]> {
  const found: string[] = []
  for (const { op, object } of steps) {
    const query = op === 'delete' || op === 'replace' ? factsOf(object) : undefined
    if (query === undefined) continue
    const answer = await client.ask<unknown>('GET', 'facts', `${query.path}&page=1&per_page=${PER_PAGE}`)
    const items = isRecord(answer) ? answer['data'] : answer
    const isNeeded = Array.isArray(items) && (items.length === PER_PAGE || items.some(item => isOf(object, item)))
    if (isNeeded) found.push(`${nameOf(object)} has ${query.what}`)
  }
  return found
}

/** A role on instances may have the key of a role in tenants, and the list of a role's assignments has both. */
function isOf ({ kind }: Moved, item: unknown): boolean {
  return kind !== 'role' || !isRecord(item) || typeof item['resource_instance'] !== 'string'
}

function factsOf ({ kind, keys: [first = '', second = ''] }: Moved): { path: string, what: string } | undefined {
  const [one, two] = [encodeURIComponent(first), encodeURIComponent(second)]
  switch (kind) {
    case 'resource': return { path: `/resource_instances?resource=${one}`, what: 'resource instances' }
    case 'role': return { path: `/role_assignments?role=${one}`, what: 'role assignments' }
    case 'resource_role': return { path: `/role_assignments?resource=${one}&role=${two}`, what: 'role assignments' }
    case 'relation': return { path: `/relationship_tuples?object_type=${one}&relation=${two}`, what: 'relationship tuples' }
    default: return undefined
  }
}
