// Writes to the facts of the embedded PDP.
import { FactsError } from '../../engine/facts/fact.js'
import type { Environment, FactWriter } from '../../environment/environment.js'
import type { FactMutation, FactsApi, MutationResult } from '../../contract/fact-mutation.js'

/** @param environment - called for each write, because the environment opens later than this is created */
export function embeddedFacts (environment: () => Environment): FactsApi {
  return {
    async apply (mutation) {
      return environment().write(facts => ({ status: write(facts, mutation) }))
    }
  }
}

function write (facts: FactWriter, mutation: FactMutation): MutationResult['status'] {
  switch (mutation.kind) {
    case 'syncUser': return facts.syncUser(mutation.user, mutation.roles).status
    case 'deleteUser': return unlessAbsent(() => facts.deleteUser(mutation.user).status)
    case 'createTenant': return unlessThere(() => facts.createTenant(mutation.tenant).status)
    case 'deleteTenant': return unlessAbsent(() => facts.deleteTenant(mutation.tenant).status)
    case 'assignRole': return facts.assignRole(mutation.assignment).status
    case 'unassignRole': return unlessAbsent(() => facts.unassignRole(mutation.assignment).status)
    case 'createResourceInstance': return createInstance(facts, mutation.instance)
    case 'deleteResourceInstance': return unlessAbsent(() => facts.deleteResourceInstance(mutation.instance).status)
    case 'createRelationshipTuple': return facts.createRelationshipTuple(mutation.tuple).status
    case 'deleteRelationshipTuple': return unlessAbsent(() => facts.deleteRelationshipTuple(mutation.tuple).status)
  }
}

type Instance = Extract<FactMutation, { kind: 'createResourceInstance' }>['instance']

function createInstance (facts: FactWriter, instance: Instance): MutationResult['status'] {
  const id = `${instance.resource}:${instance.key}`
  const known = facts.find('resource_instance', id)
  if (known !== undefined && known.tenant !== instance.tenant) {
    throw new FactsError('conflict', `resource instance '${id}' is in tenant '${known.tenant}', not in '${instance.tenant}'`)
  }
  return unlessThere(() => facts.createResourceInstance(instance).status)
}

function unlessThere (create: () => MutationResult['status']): MutationResult['status'] {
  return unless('conflict', create)
}

function unlessAbsent (remove: () => MutationResult['status']): MutationResult['status'] {
  return unless('not_found', remove)
}

function unless (code: FactsError['code'], write: () => MutationResult['status']): MutationResult['status'] {
  try {
    return write()
  } catch (error) {
    if (error instanceof FactsError && error.code === code) return 'unchanged'
    throw error
  }
}
