// Writes facts through the `/facts` API of Permit's PDP, which forwards them to Permit and waits until this PDP has received them.
import { PdpError } from '../../contract/errors.js'
import { PartlyAppliedError, type InitialRole, type MutationResult } from '../../contract/mutation-result.js'
import type { ResourceInstanceFact, UserFact } from '../../engine/facts/fact.js'
import type { Transport, TransportRequest } from '../http/transport.js'
import { kindOfMutation, segment, type FactsApi } from '../mutation-kinds.js'
import { instanceAnswer, refusal } from './permit-answer-schema.js'

/** The time for the write itself, ms. Waiting for the PDP begins after it. */
const WRITE_TIME = 5_000

/** The longest message of a PDP that goes into errors and logs, characters. */
const MAX_MESSAGE = 300

interface Answer {
  readonly status: number
  readonly body: unknown
}

type Request = Pick<TransportRequest<Answer>, 'method' | 'path'> & { readonly body?: object }

/**
 * Writes facts through the PDP's `/facts`.
 *
 * The container waits until created and changed facts have arrived. Deletions are only forwarded.
 *
 * @param timeout - how long the PDP may take to receive what was written, ms
 */
export function permitFacts (transport: Pick<Transport, 'send'>, timeout: number): FactsApi {
  const headers = { 'x-wait-timeout': String(timeout / 1000), 'x-timeout-policy': 'fail' }

  async function send ({ method, path, body }: Request): Promise<Answer> {
    return transport.send({
      method,
      path: `/facts${path}`,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      deadline: performance.now() + timeout + WRITE_TIME,
      answers: [200, 201, 204, 404, 409, 422, 424],
      read: (body, status) => ({ status, body })
    })
  }

  /** The status of a successful write. `unchanged` is the error status that means that nothing had to be done. */
  async function write (request: Request, unchanged?: 404 | 409): Promise<number> {
    const { status, body } = await send(request)
    if (status < 300) return status
    if (status === unchanged && refusal.Check(body)) return status
    throw rejected(status, body, timeout, request.body)
  }

  async function create (path: string, body: object): Promise<MutationResult> {
    return { status: await write({ method: 'POST', path, body }, 409) === 409 ? 'unchanged' : 'created' }
  }

  async function remove (path: string, body?: object): Promise<MutationResult> {
    return { status: await write({ method: 'DELETE', path, body }, 404) === 404 ? 'unchanged' : 'deleted' }
  }

  async function syncUser (user: UserFact, roles: readonly InitialRole[]): Promise<MutationResult> {
    const status = await write({ method: 'PUT', path: `/users/${segment(user.key)}`, body: user })
    if (status !== 201) return { status: 'updated' }
    const assigned: InitialRole[] = []
    for (const { role, tenant } of roles) {
      try {
        await create('/role_assignments', { user: user.key, role, tenant })
      } catch (error) {
        throw new PartlyAppliedError({ status: 'created', roles: assigned, missing: roles.slice(assigned.length) }, error)
      }
      assigned.push({ role, tenant })
    }
    return { status: 'created' }
  }

  async function createInstance (instance: ResourceInstanceFact): Promise<MutationResult> {
    const result = await create('/resource_instances', instance)
    if (result.status === 'created') return result
    // The instance exists, perhaps in another tenant. In that case the write must not count as done.
    const id = `${instance.resource}:${instance.key}`
    const { status, body } = await send({ method: 'GET', path: `/resource_instances/${segment(id)}` })
    if (status !== 200) throw rejected(status, body, timeout)
    if (!instanceAnswer.Check(body)) throw new PdpError('answer', "the PDP's response is not a valid resource instance")
    if (body.tenant === instance.tenant) return result
    throw new PdpError('status', `resource instance '${id}' exists in another tenant, not in '${instance.tenant}'`, { status: 409 })
  }

  return {
    async apply (mutation) {
      return kindOfMutation(mutation).permit({ create, remove, syncUser, createInstance }, mutation)
    }
  }
}

function rejected (status: number, body: unknown, timeout: number, written?: object): PdpError {
  if (status === 424) return new PdpError('timeout', `the write was made, but the PDP did not receive it within ${timeout} ms`, { status })
  const message = refusal.Check(body) ? body.message ?? body.title : undefined
  const detail = message === undefined ? '' : `: ${withoutAttributes(message, written).slice(0, MAX_MESSAGE)}`
  return new PdpError('status', `the PDP rejected the write with status ${status}${detail}`, { status })
}

/** Removes attribute values, which must not get into errors, from a message that may quote what it rejects. */
function withoutAttributes (message: string, written: object | undefined): string {
  if (written === undefined || !('attributes' in written)) return message
  const values: string[] = []
  JSON.stringify(written.attributes, (_name, value: unknown) => {
    if ((typeof value === 'string' || typeof value === 'number') && value !== '') values.push(String(value))
    return value
  })
  // The longest first: a value may contain another one.
  return values.sort((a, b) => b.length - a.length).reduce((text, value) => text.replaceAll(value, '…'), message)
}
