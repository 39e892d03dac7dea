// Reads the names of a policy from Permit's REST API, or from a local PDP, which has the same API.
import { PdpError } from '../../contract/errors.js'
import type { Checker } from '../../kit/checker.js'
import { httpTransport, type Transport } from '../../pdp/http/transport.js'
import { contextTypes, declaredTypes, type AttributeTypes } from './attribute-types.js'
import { namesOfResource, type PolicyNames } from './policy-names.js'
import { listedAttributes, listedConditionSets, listedResources, listedRoles, scope } from './remote-schema-shapes.js'

/** Time limit for reading all of it, in ms. */
const TIMEOUT = 15_000

/** Bytes of a page. */
const MAX_RESPONSE_SIZE = 16 * 1024 * 1024

/** Items on a page: the maximum of Permit's API. */
const PER_PAGE = 100

/** More than any policy needs: a server may send pages without end. */
const MAX_PAGES = 100

/**
 * Reads the names from the environment of the token.
 *
 * @param url - `https://api.permit.io`, or a local PDP
 * @throws `PdpError` when the API does not answer, or not with a schema
 */
export async function remoteNames (url: URL, token: string): Promise<PolicyNames> {
  const bounds = { connections: 1, maxQueue: 1, maxResponseSize: MAX_RESPONSE_SIZE, connectTimeout: TIMEOUT }
  const transport = await httpTransport({ url, token, ...bounds })
  const deadline = performance.now() + TIMEOUT
  try {
    const { project_id: project, environment_id: environment } = await get(transport, '/v2/api-key/scope', scope, deadline)
    const base = `/v2/schema/${encodeURIComponent(project)}/${encodeURIComponent(environment)}`
    const resources = await all(transport, `${base}/resources`, listedResources, deadline)
    const roles = await all(transport, `${base}/roles`, listedRoles, deadline)
    const attributesOf = async (type: '__user' | '__tenant'): Promise<AttributeTypes | undefined> => {
      const attributes = await allIfThere(transport, `${base}/resources/${type}/attributes`, listedAttributes, deadline)
      const declared = attributes.filter(({ built_in: isBuiltIn }) => isBuiltIn !== true)
      return declaredTypes(Object.fromEntries(declared.map(attribute => [attribute.key, attribute])))
    }
    return {
      resources: new Map(resources.filter(({ key }) => !isBuiltIn(key)).map(resource => [resource.key, namesOfResource(resource)])),
      roles: roles.map(({ key }) => key),
      userAttributes: await attributesOf('__user'),
      tenantAttributes: await attributesOf('__tenant'),
      context: contextTypes(await all(transport, `${base}/condition_sets`, listedConditionSets, deadline))
    }
  } finally {
    await transport.close(performance.now())
  }
}

/** Whether this is one of Permit's own types, such as `__user`: apps do not check permissions on them. */
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

/** As {@link all}; empty when the API has no such path: not every API has the tenant as a built-in type. */
async function allIfThere<T> (transport: Transport, path: string, checker: Checker<T[]>, deadline: number): Promise<T[]> {
  try {
    return await all(transport, path, checker, deadline)
  } catch (error) {
    if (error instanceof PdpError && error.status === 404) return []
    throw error
  }
}

async function get<T> (transport: Transport, path: string, checker: Checker<T>, deadline: number): Promise<T> {
  return transport.send({
    method: 'GET',
    path,
    deadline,
    read (answer) {
      if (!checker.Check(answer)) throw new PdpError('answer', `the answer to ${path.split('?')[0]} does not have the expected shape`)
      return answer
    }
  })
}
