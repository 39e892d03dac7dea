// What Permit's API has and a local PDP has not: answered with 501 that names it, because a 404 would look like a wrong key.
import createRouter from 'find-my-way'

const CLOUD = "only Permit's cloud has that"
const ONE = 'a local PDP holds one project with one environment; start another one on another port'

type Row = readonly [methods: readonly string[] | 'all', paths: readonly string[], what: string, why: string]

/** Paths, with what they are about and why it is missing or what to do instead. `/*` stands for everything below. */
const TABLE: readonly Row[] = [
  [['POST', 'PATCH', 'PUT', 'DELETE'], ['/v2/projects', '/v2/projects/:project'], 'writing projects', ONE],
  [['POST', 'PATCH', 'PUT', 'DELETE'], ['/v2/projects/:project/envs', '/v2/projects/:project/envs/:env'], 'writing environments', ONE],
  ['all', ['/v2/projects/:project/envs/:env/copy', '/v2/projects/:project/envs/:env/copy/*'], 'copying environments', ONE],
  ['all', ['/v2/projects/:project/envs/:env/test_jwks'], 'JWKS of environments', CLOUD],
  ['all', ['/v2/projects/:project/repos', '/v2/projects/:project/repos/*', '/v2/projects/:project/:env/opal_scope'],
    'policy repositories (GitOps)', CLOUD],
  ['all', ['/v2/api-key', '/v2/api-key/*'], 'API keys', "the local PDP's token is its option `token`"],
  ['all', ['/v2/orgs', '/v2/orgs/*'], 'organizations', CLOUD],
  ['all', ['/v2/members', '/v2/members/*'], 'members', CLOUD],
  ['all', ['/v2/auth/*'], 'logins, including those of Permit Elements', CLOUD],
  ['all', ['/v2/elements/*'], 'Permit Elements', CLOUD],
  ['all', ['/v2/pdps/*'], 'PDP configurations and audit logs', "the local PDP's decisions are in its own log"],
  ['all', ['/v2/history', '/v2/history/*', '/v2/activity', '/v2/activity/*', '/v2/deprecated/*'], 'the history of changes', CLOUD],
  ['all', ['/v2/policy_guards/*'], 'policy guards', CLOUD],
  ['all', ['/v2/audit-log-replay'], 'the replay of audit logs', CLOUD],
  ['all', ['/v2/internal/*'], "OPAL's data", 'the local PDP needs no OPAL'],
  ...inEnvironment('facts', [
    ['all', ['/email_configurations', '/email_configurations/*', '/email_templates', '/email_templates/*'], 'e-mail', CLOUD],
    ['all', ['/user_invites', '/user_invites/*'], 'invitations of users', CLOUD],
    ['all', ['/access_requests/*'], 'access requests', CLOUD],
    ['all', ['/bulk/tenants'], 'bulk writes of tenants', 'write them one by one, at /tenants']
  ]),
  ...inEnvironment('schema', [
    ['all', ['/groups', '/groups/*'], 'groups', 'relations and role derivations do the same'],
    ['all', ['/bulk/roles'], 'bulk writes of roles', 'write them one by one, at /roles'],
    ['all', ['/condition_sets/:set/ancestors', '/condition_sets/:set/descendants'], 'sets within sets', 'it has none'],
    ['all', ['', '/resources/:resource'].flatMap(of => [`${of}/roles/:role/ancestors`, `${of}/roles/:role/descendants`]),
      'ancestors and descendants of roles', "a role's `extends` has its parents"]
  ])
]

function inEnvironment (half: 'facts' | 'schema', rows: readonly Row[]): readonly Row[] {
  const prefixes = half === 'facts' ? ['/facts', '/v2/facts/:project/:env'] : ['/v2/schema/:project/:env']
  return rows.map(([methods, paths, what, why]) => [methods, prefixes.flatMap(prefix => paths.map(path => prefix + path)), what, why])
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** A function from a method and a URL to the sentence for a 501, undefined for what Permit's API does not have either. */
export function notSupported (): (method: string, url: string) => string | undefined {
  const router = createRouter()
  for (const [methods, paths, what, why] of TABLE) {
    const sentence = `not supported by the local PDP: ${what}; ${why}`
    for (const path of paths) {
      for (const method of methods === 'all' ? METHODS : METHODS.filter(method => methods.includes(method))) {
        router.on(method, path, () => {}, sentence)
      }
    }
  }
  return (method, url) => {
    const [path = url] = url.split('?', 1)
    return router.find(method as typeof METHODS[number], path)?.store as string | undefined
  }
}
