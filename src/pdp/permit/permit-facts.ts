// Writes to the facts of Permit's PDP over HTTP: its `/facts` API, which passes them on to Permit and waits until this PDP has them.
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { PdpError } from '../../contract/errors.js'
import { PartlyAppliedError, type FactMutation, type FactsApi, type InitialRole, type MutationResult } from '../../contract/fact-mutation.js'
import type { Transport, TransportRequest } from '../http/transport.js'

/** Ms for the write itself: the wait for the PDP begins after it. */
const TRAVEL_TIME = 5_000

/** What Permit's API says where it does not do what it was asked to. A path that the PDP does not have is answered without a code. */
const Refusal = Compile(Type.Object({ error_code: Type.String(), message: Type.Optional(Type.String()), title: Type.Optional(Type.String()) }))

const Instance = Compile(Type.Object({ resource: Type.String(), key: Type.String(), tenant: Type.String() }))

/** A PDP's words are cut to this: they go into errors and logs. */
const MAX_MESSAGE = 300

interface Answer {
  readonly status: number
  readonly body: unknown
}

type Request = Pick<TransportRequest<Answer>, 'method' | 'path'> & { readonly body?: object }

/**
 * Writes facts by the PDP's `/facts`.
 *
 * The container waits for what is created and changed; what is deleted it only passes on.
 *
 * @param timeout - ms that the PDP may take to have what was written
 */
export function permitFacts (transport: Pick<Transport, 'send'>, timeout: number): FactsApi {
  const headers = { 'x-wait-timeout': String(timeout / 1000), 'x-timeout-policy': 'fail' }

  async function send ({ method, path, body }: Request): Promise<Answer> {
    return transport.send({
      method,
      path,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      deadline: performance.now() + timeout + TRAVEL_TIME,
      answers: [200, 201, 204, 404, 409, 422, 424],
      read: (body, status) => ({ status, body })
    })
  }

  /** The status of a success; `also` is a refusal that is one, too. */
  async function write (request: Request, also?: 404 | 409): Promise<number> {
    const { status, body } = await send(request)
    if (status < 300) return status
    if (status === also && Refusal.Check(body)) return status
    throw refused(status, body, timeout, request.body)
  }

  async function create (path: string, body: object): Promise<MutationResult> {
    return { status: await write({ method: 'POST', path, body }, 409) === 409 ? 'unchanged' : 'created' }
  }

  async function remove (path: string, body?: object): Promise<MutationResult> {
    return { status: await write({ method: 'DELETE', path, body }, 404) === 404 ? 'unchanged' : 'deleted' }
  }

  async function syncUser ({ user, roles }: Extract<FactMutation, { kind: 'syncUser' }>): Promise<MutationResult> {
    const status = await write({ method: 'PUT', path: `/facts/users/${segment(user.key)}`, body: user })
    if (status !== 201) return { status: 'updated' }
    const given: InitialRole[] = []
    for (const { role, tenant } of roles) {
      try {
        await create('/facts/role_assignments', { user: user.key, role, tenant })
      } catch (error) {
        throw new PartlyAppliedError({ status: 'created', roles: given, missing: roles.slice(given.length) }, error)
      }
      given.push({ role, tenant })
    }
    return { status: 'created' }
  }

  async function createInstance (instance: Extract<FactMutation, { kind: 'createResourceInstance' }>['instance']): Promise<MutationResult> {
    const result = await create('/facts/resource_instances', instance)
    if (result.status === 'created') return result
    // That it is there says nothing of where. What was meant for one tenant must not be taken for done when it is in another.
    const { status, body } = await send({ method: 'GET', path: `/facts/resource_instances/${segment(`${instance.resource}:${instance.key}`)}` })
    if (status !== 200) throw refused(status, body, timeout)
    if (!Instance.Check(body)) throw new PdpError('answer', 'the PDP answered with something that is not a resource instance')
    if (body.tenant === instance.tenant) return result
    throw new PdpError('status', `resource instance '${instance.resource}:${instance.key}' is in another tenant than '${instance.tenant}'`, { status: 409 })
  }

  return {
    async apply (mutation) {
      switch (mutation.kind) {
        case 'syncUser': return syncUser(mutation)
        case 'deleteUser': return remove(`/facts/users/${segment(mutation.user)}`)
        // Permit wants a name.
        case 'createTenant': return create('/facts/tenants', { name: mutation.tenant.key, ...mutation.tenant })
        case 'deleteTenant': return remove(`/facts/tenants/${segment(mutation.tenant)}`)
        case 'assignRole': return create('/facts/role_assignments', mutation.assignment)
        case 'unassignRole': return remove('/facts/role_assignments', mutation.assignment)
        case 'createResourceInstance': return createInstance(mutation.instance)
        case 'deleteResourceInstance': return remove(`/facts/resource_instances/${segment(mutation.instance)}`)
        case 'createRelationshipTuple': return create('/facts/relationship_tuples', mutation.tuple)
        case 'deleteRelationshipTuple': return remove('/facts/relationship_tuples', mutation.tuple)
      }
    }
  }
}

/** The key as one segment of a path. */
function segment (key: string): string {
  // Servers and proxies take these for steps in the path, however they are written.
  if (key === '.' || key === '..') throw new PdpError('status', `'${key}' cannot be a key in Permit's API`)
  return encodeURIComponent(key)
}

function refused (status: number, body: unknown, timeout: number, written?: object): PdpError {
  if (status === 424) return new PdpError('timeout', `the write was made, and the PDP did not have it within ${timeout} ms`, { status })
  const said = Refusal.Check(body) ? body.message ?? body.title : undefined
  return new PdpError('status', `the PDP answered the write with ${status}${said === undefined ? '' : `: ${withoutAttributes(said, written).slice(0, MAX_MESSAGE)}`}`, { status })
}

/** A refusal may quote what it refuses, and attribute values stay out of errors. */
function withoutAttributes (said: string, written: object | undefined): string {
  if (written === undefined || !('attributes' in written)) return said
  const values: string[] = []
  JSON.stringify(written.attributes, (_name, value: unknown) => {
    if ((typeof value === 'string' || typeof value === 'number') && value !== '') values.push(String(value))
    return value
  })
  // The longest first: one may be a part of another.
  return values.sort((a, b) => b.length - a.length).reduce((text, value) => text.replaceAll(value, '…'), said)
}
