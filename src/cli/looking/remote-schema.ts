// The words of a policy that lives elsewhere: Permit's REST API, or a local PDP, which has the same.
import { PdpError } from '../../contract/errors.js'
import { httpTransport, type Transport } from '../../pdp/http/transport.js'
import type { PolicyWords } from './declaration.js'
import type { Checker } from '../../kit/checker.js'
import { listedResources, listedRoles, scope } from './remote-shapes.js'

/** The whole of it, ms. */
const TIMEOUT = 15_000

/** Bytes of one page. */
const MAX_RESPONSE_SIZE = 16 * 1024 * 1024

/** What Permit's API gives at most. */
const PER_PAGE = 100

/** More than any policy has; a server that never ends its list is not followed further. */
const MAX_PAGES = 100

/**
 * Reads the schema of the environment that the token is for.
 * @param url - `https://api.permit.io`, or a local PDP
 * @throws `PdpError` when it cannot be had
 */
export async function remoteWords (url: URL, token: string): Promise<PolicyWords> {
  const transport = httpTransport({ url, token, connections: 1, maxQueue: 1, maxResponseSize: MAX_RESPONSE_SIZE, connectTimeout: TIMEOUT })
  const deadline = performance.now() + TIMEOUT
  try {
    const { project_id: project, environment_id: environment } = await get(transport, '/v2/api-key/scope', scope, deadline)
    const base = `/v2/schema/${encodeURIComponent(project)}/${encodeURIComponent(environment)}`
    const resources = await all(transport, `${base}/resources`, listedResources, deadline)
    const roles = await all(transport, `${base}/roles`, listedRoles, deadline)
    return {
      resources: new Map(resources.filter(({ key }) => !isBuiltIn(key)).map(({ key, actions, roles, relations }) =>
        [key, { actions: Object.keys(actions ?? {}), roles: Object.keys(roles ?? {}), relations: Object.keys(relations ?? {}) }])),
      roles: roles.map(({ key }) => key)
    }
  } finally {
    await transport.close(performance.now())
  }
}

/** Permit's own types, such as `__user`, which no app asks about. */
function isBuiltIn (key: string): boolean {
  return key.startsWith('__')
}

async function all<T> (transport: Transport, path: string, checker: Checker<T[]>, deadline: number): Promise<T[]> {
  const found: T[] = []
  for (let page = 1; page <= MAX_PAGES; page++) {
    const items = await get(transport, `${path}?page=${page}&per_page=${PER_PAGE}`, checker, deadline)
    found.push(...items)
    if (items.length < PER_PAGE) return found
  }
  throw new PdpError('answer', `${path} has more than ${MAX_PAGES * PER_PAGE} items`)
}

async function get<T> (transport: Transport, path: string, checker: Checker<T>, deadline: number): Promise<T> {
  return transport.send({
    method: 'GET',
    path,
    deadline,
    read (answer) {
      if (!checker.Check(answer)) throw new PdpError('answer', `${path.split('?')[0]} was answered in a shape that it does not have`)
      return answer
    }
  })
}
