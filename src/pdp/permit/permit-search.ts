// Searches at Permit's PDP: the local PDP has a call for them; of the container they are what its lists can tell.
import { PdpError, SearchError } from '../../contract/errors.js'
import { SEARCH_PATH } from '../../contract/search-path.js'
import type { SearchAsking, SearchQuestion } from '../../contract/point.js'
import { PageReader } from '../page-reader.js'
import { LocalPdpCall, type Post } from './local-pdp-call.js'
import { authorizedUsersAnswer, allTenantsAnswer, searchAnswer, userTenantsAnswer } from './permit-answer-schema.js'
import { actionsByPermissions, keysByPermissions, withoutSwitches, type Permissions } from './permitted-keys.js'

type Searcher = (question: SearchQuestion, asking: SearchAsking) => AsyncGenerator<readonly string[], void, undefined>
type SearchOf<Find extends SearchQuestion['find']> = Extract<SearchQuestion, { find: Find }>

/** Results that are asked for at a time. */
const PAGE = 1_000

/** Makes searches. It finds out which of the two PDPs it is. */
export function permitSearch (post: Post, permissions: Permissions, name: string): Searcher {
  const local = new LocalPdpCall(post, SEARCH_PATH)

  return async function * (question, asking) {
    // Both PDPs have these calls, and they tell the truth.
    if (question.find === 'tenants') {
      yield await tenantsOf(question, asking)
      return
    }
    const { find, resource, context } = question
    const limit = Math.min(asking.limit, PAGE)
    const [user, action] = ['user' in question ? question.user : undefined, 'action' in question ? question.action : undefined]
    const body = { find, user, action, resource, context }
    const reader = new PageReader(name)
    const session = {}
    do {
      const page = { limit, ...(reader.token === undefined ? {} : { token: reader.token }) }
      const answer = await local.ask({ ...body, page }, asking.deadline(), readAnswer, { signal: asking.signal, session })
      if (answer === undefined) {
        if (reader.token !== undefined) throw new SearchError(`the PDP ${name} was replaced during the search. Search again`)
        yield await ofContainer(question, asking)
        return
      }
      reader.read(answer.page, answer.results.length)
      yield answer.results
    } while (reader.token !== undefined)
  }

  async function tenantsOf ({ user, access, context }: SearchOf<'tenants'>, { deadline, signal }: SearchAsking): Promise<string[]> {
    const circumstances = withoutSwitches(context) ?? {}
    if (access === undefined) {
      return post('/user-tenants', { user, context: circumstances }, deadline(), answer => {
        if (!userTenantsAnswer.Check(answer)) throw unexpected('/user-tenants')
        return answer.map(({ key }) => key)
      }, { signal })
    }
    return post('/allowed/all-tenants', { user, ...access, context: circumstances }, deadline(), answer => {
      if (!allTenantsAnswer.Check(answer)) throw unexpected('/allowed/all-tenants')
      return answer.allowed_tenants.filter(({ allow }) => allow === true).map(({ tenant }) => tenant.key)
    }, { signal })
  }

  async function ofContainer (question: Exclude<SearchQuestion, SearchOf<'tenants'>>, asking: SearchAsking): Promise<string[]> {
    const { conditions } = question
    if (conditions === undefined) {
      throw new SearchError("Permit's PDP does not tell what conditions open. If no set rule is about this resource type, pass the " +
        "option { conditions: 'none' }. If conditions only look at attributes that are stored with users and instances, pass " +
        "{ conditions: 'stored' }. Otherwise use the embedded or the local PDP")
    }
    if (conditions === 'stored' && 'attributes' in question.resource && question.resource.attributes !== undefined) {
      throw new SearchError("Permit's PDP lists by stored attributes, and the resource of the search has others. Leave them out, " +
        'or use bulkCheck()')
    }
    switch (question.find) {
      case 'resources': return resourcesOf(question, conditions, asking)
      case 'actions': return [...await actionsByPermissions({ ...question, conditions }, asking.deadline(), permissions, asking.signal)]
      case 'users': return usersOf(question, conditions, asking)
    }
  }

  async function resourcesOf (
    { user, action, resource: { type, tenant }, context }: SearchOf<'resources'>, conditions: 'none' | 'stored',
    { deadline, signal }: SearchAsking
  ): Promise<string[]> {
    const keys = await keysByPermissions({ user, action, type, tenant, context, conditions }, deadline(), permissions, signal)
    if (keys !== 'all') return [...keys]
    throw new SearchError(`a role allows '${action}' on every ${type} in tenant '${tenant}', and Permit's PDP does not list all of them. ` +
      'Use plan(), whose answer is "all" then, with a query to your database')
  }

  async function usersOf (
    { action, resource, context }: SearchOf<'users'>, conditions: 'none' | 'stored', { deadline, signal }: SearchAsking
  ): Promise<string[]> {
    const switches = conditions === 'stored' ? { enable_abac_authorized_users: true } : {}
    const body = { action, resource, context: { ...withoutSwitches(context), ...switches } }
    return post('/authorized_users', body, deadline(), answer => {
      if (!authorizedUsersAnswer.Check(answer)) throw unexpected('/authorized_users')
      return Object.keys(answer.users)
    }, { signal })
  }
}

function readAnswer (answer: unknown) {
  if (!searchAnswer.Check(answer)) throw unexpected(SEARCH_PATH)
  return answer
}

function unexpected (path: string): PdpError {
  return new PdpError('answer', `the PDP's response to ${path} has an unexpected shape`)
}
