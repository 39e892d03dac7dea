// What lists show: which tools, resource templates and prompts the user may call with some arguments, in one batch.
import type { FastifyRequest } from 'fastify'
import type { RequestPermit } from '../app/request-permit.js'
import { UnauthenticatedError } from '../contract/errors.js'
import type { CheckInput } from '../decision/checks.js'
import type { Requirement } from '../guard/annotation.js'
import { hasBrace } from '../guard/key-template.js'
import { splitAtColon } from '../kit/split-at-colon.js'
import type { McpAnnotation, McpCall } from './guarded-tools.js'

/** The condition for an entry to be listed: a known result, a check, or a combination. */
type Condition = boolean | Check | { readonly some: boolean, readonly of: readonly Condition[] }

interface Check {
  readonly input: CheckInput
  /** For a resource that the arguments name: `type:action`, which may be allowed on an instance. */
  readonly anywhere: string | undefined
}

/**
 * Which of these requirements the user of a request may meet. The checks are one batch, and there is one more call when permissions on
 * instances decide. What functions compute from arguments is not known before the call, so it counts as met.
 */
export async function areVisible (
  annotations: ReadonlyArray<McpAnnotation | undefined>, permit: RequestPermit<FastifyRequest>
): Promise<boolean[]> {
  const conditions = annotations.map(annotation => annotation === undefined ? true : conditionOf(annotation))
  const checks = conditions.flatMap(checksIn)
  const allowed = await decide(checks, permit)
  const missing = checks.filter(check => check.anywhere !== undefined && allowed.get(check) !== true)
  if (missing.length > 0) {
    const somewhere = await permissionsOnInstances(permit)
    for (const check of missing) if (somewhere.has(check.anywhere as string)) allowed.set(check, true)
  }
  return conditions.map(condition => isMet(condition, allowed))
}

function conditionOf (requirement: McpAnnotation): Condition {
  if (requirement === false || typeof requirement === 'function' || requirement === 'url') return requirement !== 'url'
  if (typeof requirement === 'string') {
    const { before: type, after: action } = splitAtColon(requirement)
    return { input: { action, resource: type } as CheckInput, anywhere: undefined }
  }
  if ('anyOf' in requirement) return { some: true, of: partsOf(requirement.anyOf as readonly Requirement<McpCall>[]) }
  if ('allOf' in requirement) return { some: false, of: partsOf(requirement.allOf as readonly Requirement<McpCall>[]) }
  const { action, resource, tenant, context } = requirement
  if ([resource, tenant, context].some(part => typeof part === 'function')) return true
  const { type, key, ...more } = partsOfResource(resource as CheckInput['resource'])
  const isOpen = key !== undefined && hasBrace(key)
  const input = { action, resource: { type, ...key === undefined || isOpen ? {} : { key }, ...more }, tenant, context } as CheckInput
  return { input, anywhere: isOpen ? `${type}:${action}` : undefined }
}

function partsOf (requirements: readonly Requirement<McpCall>[]): Condition[] {
  return requirements.map(part => conditionOf(part as McpAnnotation))
}

function partsOfResource (resource: CheckInput['resource']): { readonly type: string, readonly key?: string } {
  if (typeof resource !== 'string') return resource
  const { before: type, after: key } = splitAtColon(resource)
  return key === undefined ? { type } : { type, key }
}

function checksIn (condition: Condition): Check[] {
  if (typeof condition === 'boolean') return []
  return 'of' in condition ? condition.of.flatMap(checksIn) : [condition]
}

function isMet (condition: Condition, allowed: ReadonlyMap<Check, boolean>): boolean {
  if (typeof condition === 'boolean') return condition
  if (!('of' in condition)) return allowed.get(condition) === true
  return condition.some ? condition.of.some(part => isMet(part, allowed)) : condition.of.every(part => isMet(part, allowed))
}

async function decide (checks: readonly Check[], permit: RequestPermit<FastifyRequest>): Promise<Map<Check, boolean>> {
  if (checks.length === 0) return new Map()
  try {
    const answers = await permit.bulkCheck(checks.map(({ input }) => input))
    return new Map(checks.map((check, index) => [check, answers[index] === true]))
  } catch (error) {
    if (error instanceof UnauthenticatedError) return new Map()
    throw error
  }
}

/** What roles allow on instances. With a PDP that cannot list it, the lists are shorter; calls are still decided. */
async function permissionsOnInstances (permit: RequestPermit<FastifyRequest>): Promise<ReadonlySet<string>> {
  try {
    const permissions = Object.entries(await permit.permissions())
    return new Set(permissions.flatMap(([name, { permissions }]) => name.startsWith('__tenant:') ? [] : permissions))
  } catch {
    return new Set()
  }
}
