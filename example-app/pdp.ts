// Chooses the PDP by environment variables. The rest of the app does not depend on the choice.
import { fileURLToPath } from 'node:url'
import type { PermitOptions, UserInput } from 'fastify-permit'
import { rolesOf } from './roles.js'

/**
 * CERBOS_URL: a Cerbos server. PERMIT_PDP_URL: that PDP, with the key in PERMIT_API_KEY or in the file PERMIT_API_KEY_FILE. Otherwise: the
 * embedded PDP, with the policy file PERMIT_POLICY or the one beside this file.
 */
export function decidedBy (): Pick<PermitOptions, 'pdp' | 'protocol' | 'authzen' | 'policy' | 'token'> {
  if (isStateless()) return { pdp: process.env.CERBOS_URL, authzen: 'cerbos' }
  const { PERMIT_PDP_URL: url, PERMIT_API_KEY_FILE: keyFile, PERMIT_POLICY: policy } = process.env
  if (url) return { pdp: url, ...(keyFile ? { token: { file: keyFile } } : {}) }
  return { policy: policy || fileURLToPath(new URL('./permit.yaml', import.meta.url)) }
}

/** Whether the PDP stores no users. Then each check sends the roles of the user. */
export function isStateless (): boolean {
  return Boolean(process.env.CERBOS_URL)
}

/** The user in the form that the PDP needs. */
export function asUser (email: string): UserInput {
  return isStateless() ? { key: email, attributes: { roles: rolesOf(email) } } : email
}
