// Chooses the PDP by environment variables. The rest of the app does not depend on the choice.
import { fileURLToPath } from 'node:url'
import type { PermitOptions, UserInput } from 'fastify-permit'
import { rolesOf } from './roles.js'

/** CERBOS_URL: a Cerbos server. PERMIT_PDP_URL (and PERMIT_API_KEY): that PDP. Otherwise: the embedded PDP. */
export function decidedBy (): Pick<PermitOptions, 'pdp' | 'protocol' | 'policy'> {
  if (isStateless()) return { pdp: process.env.CERBOS_URL, protocol: 'authzen' }
  if (process.env.PERMIT_PDP_URL) return {}
  return { policy: fileURLToPath(new URL('./permit.yaml', import.meta.url)) }
}

/** Whether the PDP stores no users. Then each check sends the roles of the user. */
export function isStateless (): boolean {
  return Boolean(process.env.CERBOS_URL)
}

/** The user in the form that the PDP needs. */
export function asUser (email: string): UserInput {
  return isStateless() ? { key: email, attributes: { roles: rolesOf(email) } } : email
}
