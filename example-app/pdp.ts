// Which PDP decides: the environment says, and nothing else of the app knows, but for who its users are.
import { fileURLToPath } from 'node:url'
import type { PermitOptions, UserInput } from 'fastify-permit'
import { rolesOf } from './roles.js'

/** With CERBOS_URL a Cerbos server, with PERMIT_PDP_URL (and PERMIT_API_KEY) that PDP, else the embedded one. */
export function decidedBy (): Pick<PermitOptions, 'pdp' | 'protocol' | 'policy'> {
  if (isStateless()) return { pdp: process.env.CERBOS_URL, protocol: 'authzen' }
  if (process.env.PERMIT_PDP_URL) return {}
  return { policy: fileURLToPath(new URL('./permit.yaml', import.meta.url)) }
}

/** Whether the PDP keeps no facts: it is not told who there is, but with each question who asks. */
export function isStateless (): boolean {
  return Boolean(process.env.CERBOS_URL)
}

/** A user as the PDP wants to be asked about one. */
export function asUser (email: string): UserInput {
  return isStateless() ? { key: email, attributes: { roles: rolesOf(email) } } : email
}
