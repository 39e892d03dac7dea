// Runs searches: one page after the other, each with its own deadline, up to a bound on the results.
import { SearchError, UnsupportedError } from '../contract/errors.js'
import type { DecisionPointStats, Pdp, QueryUser, SearchAsking, SearchQuestion } from '../contract/point.js'
import type { ListQuestion, ListWatch } from '../observe/observation.js'
import { requireText } from './input-checks.js'
import { normaliseResource, toJsonObject, type ContextInput, type ResourceInput } from './query.js'
import type { SearchOptions, TenantsOptions } from './question-options.js'
import type { Outage } from './stages/outage.js'

/** The most results of a search without a limit. */
const MAX_RESULTS = 10_000

interface Limits {
  readonly limit?: number
  readonly signal?: AbortSignal
}

/**
 * The results of a search, each once.
 *
 * @param timeout - how long each page may take, ms
 * @param run - runs the request for each page
 */
export async function * resultsOf (
  pdp: Pdp, question: SearchQuestion, { limit, signal }: Limits, timeout: number, run: ListWatch['run'] = async ask => ask()
): AsyncGenerator<string, void, undefined> {
  signal?.throwIfAborted()
  const most = limit ?? MAX_RESULTS
  const deadline = (): number => performance.now() + timeout
  // One more than the bound tells whether there are more.
  const asking: SearchAsking = { deadline, limit: limit ?? MAX_RESULTS + 1, ...(signal === undefined ? {} : { signal }) }
  const pages = searchBy(pdp, question, asking)[Symbol.asyncIterator]()
  const seen = new Set<string>()
  try {
    for (;;) {
      const page = await run(async () => unlessAborted(pages.next(), signal))
      if (page.done === true) return
      for (const key of page.value) {
        if (seen.has(key)) continue
        if (seen.size === most) {
          throw new SearchError(
            `the search finds more than ${MAX_RESULTS} ${question.find}. Set a limit, or use plan() for rows of a database`)
        }
        seen.add(key)
        yield key
        signal?.throwIfAborted()
        if (seen.size === limit) return
      }
    }
  } finally {
    // Not awaited, because a page in flight may take until its deadline.
    pages.return?.().catch(() => {})
  }
}

/** The results of a search that is observed. */
export async function * watchedResults (
  pdp: Pdp, question: SearchQuestion, limits: Limits, timeout: number, watch: ListWatch
): AsyncGenerator<string, void, undefined> {
  const source = pdp.name === 'embedded' ? 'embedded' : 'pdp'
  let found = 0
  try {
    for await (const key of resultsOf(pdp, question, limits, timeout, watch.run)) {
      found++
      yield key
    }
  } catch (error) {
    const { signal } = limits
    watch.ended({ found, error, aborted: signal?.aborted === true && error === signal.reason, source })
    throw error
  } finally {
    // Also runs when the caller takes no more results.
    watch.ended({ rows: found > 0 ? 'some' : 'none', found, source })
  }
}

/** The counters of searches, for `stats()`. */
export type SearchCounts = NonNullable<DecisionPointStats['searches']>

/**
 * The results of a search, counted when it ends.
 * @param outage - is told of searches that fail, and of those after them
 */
export async function * countedResults (
  results: AsyncGenerator<string, void, undefined>,
  question: SearchQuestion,
  { signal }: Limits,
  counts: SearchCounts,
  outage: () => Outage | undefined
): AsyncGenerator<string, void, undefined> {
  counts.asked++
  try {
    for await (const key of results) {
      counts.found++
      yield key
    }
    outage()?.decided()
  } catch (error) {
    // The caller has ended it.
    if (signal?.aborted !== true || error !== signal.reason) {
      counts.failed++
      const { action, resource } = question.find === 'tenants' ? question.access ?? {} : { action: undefined, ...question }
      outage()?.threw(error, { action, resource })
    }
    throw error
  }
}

const METHODS = {
  resources: 'searchResources', actions: 'searchActions', users: 'searchUsers', tenants: 'tenants'
} as const satisfies Record<SearchQuestion['find'], ListQuestion['kind']>

/** The question, as observers get it. */
export function asListQuestion (question: SearchQuestion): ListQuestion {
  const { action, resource } = question.find === 'tenants' ? question.access ?? {} : { action: undefined, ...question }
  const key = resource === undefined || !('key' in resource) ? undefined : resource.key
  return {
    kind: METHODS[question.find],
    user: question.find === 'users' ? undefined : question.user.key,
    action,
    resource: key === undefined ? resource?.type : `${resource?.type}:${key}`,
    tenant: question.find === 'tenants' ? undefined : question.resource.tenant
  }
}

/** The pages of a PDP. Throws an `UnsupportedError` if this kind of PDP has no searches. */
export function searchBy (pdp: Pdp, question: SearchQuestion, asking: SearchAsking): AsyncIterable<readonly string[]> {
  if (pdp.search !== undefined) return pdp.search(question, asking)
  throw new UnsupportedError(`the PDP ${pdp.name} cannot search. Use filter() or bulkCheck() instead`)
}

function unlessAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    const settled = (): void => signal.removeEventListener('abort', abort)
    promise.then(result => { settled(); resolve(result) }, error => { settled(); reject(error) })
  })
}

type Tenant = string | readonly string[] | undefined

/**
 * The question which resources of a type the user may act on. Like all of these, it validates and copies every part.
 * @param tenant - where the options name none
 * @throws `QueryError`
 */
export function resourcesQuestion (
  user: QueryUser, action: string, type: string, options: SearchOptions, tenant?: Tenant
): Extract<SearchQuestion, { find: 'resources' }> {
  requireText('the action', action)
  const resource = normaliseResource({ type }, options.tenant ?? tenant)
  return { find: 'resources', user, action, resource: { type: resource.type, tenant: resource.tenant }, ...rest(options) }
}

/** The question what the user may do on a resource. */
export function actionsQuestion (user: QueryUser, resource: ResourceInput, options: SearchOptions, tenant?: Tenant): SearchQuestion {
  return { find: 'actions', user, resource: normaliseResource(resource, options.tenant ?? tenant), ...rest(options) }
}

/** The question who may act on a resource. */
export function usersQuestion (action: string, resource: ResourceInput, options: SearchOptions, tenant?: Tenant): SearchQuestion {
  requireText('the action', action)
  return { find: 'users', action, resource: normaliseResource(resource, options.tenant ?? tenant), ...rest(options) }
}

/** The question in which tenants the user has a role, or may act. */
export function tenantsQuestion (user: QueryUser, { action, resource, context }: TenantsOptions): SearchQuestion {
  const circumstances = contextOf(context)
  if (action === undefined || resource === undefined) return { find: 'tenants', user, context: circumstances }
  requireText('the action', action)
  const { tenant: _tenant, ...about } = normaliseResource(resource)
  return { find: 'tenants', user, access: { action, resource: about }, context: circumstances }
}

function rest ({ context, conditions }: SearchOptions) {
  return { context: contextOf(context), conditions }
}

function contextOf (context: ContextInput | undefined) {
  return context === undefined ? undefined : toJsonObject('the context', context)
}
