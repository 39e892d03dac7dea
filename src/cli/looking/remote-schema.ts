// The words of a policy that lives elsewhere: Permit's REST API, or a local PDP, which has the same.
import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { PdpError } from '../../contract/errors.js'
import { httpTransport, type Transport } from '../../pdp/http/transport.js'
import type { PolicyWords } from './declaration.js'

/** The whole of it, ms. */
const TIMEOUT = 15_000

/** Bytes of one page. */
const MAX_RESPONSE_SIZE = 16 * 1024 * 1024

/** What Permit's API gives at most. */
const PER_PAGE = 100

/** More than any policy has; a server that never ends its list is not followed further. */
const MAX_PAGES = 100

const Scope = Type.Object({ project_id: Type.String({ minLength: 1 }), environment_id: Type.String({ minLength: 1 }) })
const Keyed = Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]))
const Resources = Type.Array(Type.Object({ key: Type.String({ minLength: 1 }), actions: Keyed, roles: Keyed, relations: Keyed }))
const Roles = Type.Array(Type.Object({ key: Type.String({ minLength: 1 }) }))

/**
 * Reads the schema of the environment that the token is for.
 * @param url - `https://api.permit.io`, or a local PDP
 * @throws `PdpError` when it cannot be had
 */
export async function remoteWords (url: URL, token: string): Promise<PolicyWords> {
  const transport = httpTransport({ url, token, connections: 1, maxQueue: 1, maxResponseSize: MAX_RESPONSE_SIZE, connectTimeout: TIMEOUT })
  const deadline = performance.now() + TIMEOUT
  try {
    const { project_id: project, environment_id: environment } = await get(transport, '/v2/api-key/scope', Scope, deadline)
    const base = `/v2/schema/${encodeURIComponent(project)}/${encodeURIComponent(environment)}`
    const resources = await all(transport, `${base}/resources`, Resources, deadline)
    const roles = await all(transport, `${base}/roles`, Roles, deadline)
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

async function all<T extends TSchema> (transport: Transport, path: string, schema: T, deadline: number): Promise<Static<T> & unknown[]> {
  const found: unknown[] = []
  for (let page = 1; page <= MAX_PAGES; page++) {
    const items = await get(transport, `${path}?page=${page}&per_page=${PER_PAGE}`, schema, deadline) as unknown[]
    found.push(...items)
    if (items.length < PER_PAGE) return found as Static<T> & unknown[]
  }
  throw new PdpError('answer', `${path} has more than ${MAX_PAGES * PER_PAGE} items`)
}

async function get<T extends TSchema> (transport: Transport, path: string, schema: T, deadline: number): Promise<Static<T>> {
  const validator = Compile(schema)
  return transport.send({
    method: 'GET',
    path,
    deadline,
    read (answer) {
      if (!validator.Check(answer)) throw new PdpError('answer', `${path.split('?')[0]} was answered in a shape that it does not have`)
      return answer as Static<T>
    }
  })
}
