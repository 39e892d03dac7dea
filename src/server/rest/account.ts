// Projects, environments and what else Permit's clients read around an environment, as far as a local PDP has it.
import Type from 'typebox'
import { SCOPE } from './identity.js'
import { notFound } from '../http/error-responses.js'
import { ok, route, type Route } from '../http/route.js'
import type { Environment } from '../../environment/environment.js'

/** When the project and the environment were created: the same for all local PDPs. */
const TIMES = { created_at: '2024-01-01T00:00:00.000Z', updated_at: '2024-01-01T00:00:00.000Z' }

const NAMES = { key: Type.String(), name: Type.String(), id: Type.String(), organization_id: Type.String() }
const Times = { created_at: Type.String(), updated_at: Type.String() }

const ProjectRead = Type.Object({ ...NAMES, ...Times })
const EnvironmentRead = Type.Object({ ...NAMES, project_id: Type.String(), ...Times })
const EnvironmentStats = Type.Object({
  ...EnvironmentRead.properties,
  pdp_configs: Type.Array(Type.Object({})),
  stats: Type.Object({
    roles: Type.Integer(),
    users: Type.Integer(),
    policies: Type.Integer(),
    resources: Type.Integer(),
    tenants: Type.Integer(),
    has_decision_logs: Type.Boolean(),
    members: Type.Array(Type.Object({}))
  })
})

const project = { key: 'default', name: 'Local PDP', id: SCOPE.project_id, organization_id: SCOPE.organization_id, ...TIMES }
const environment = { ...project, id: SCOPE.environment_id, project_id: SCOPE.project_id }

/** The keys and ids by which the project and the environment are known. */
export const PROJECT: ReadonlySet<string> = new Set([SCOPE.project_id, project.key])
export const ENVIRONMENT: ReadonlySet<string> = new Set([SCOPE.environment_id, environment.key])

/** The routes of the one project and the one environment. They are read only. */
export const accountRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v2/projects',
    summary: 'Lists the one project.',
    answer: Type.Array(ProjectRead),
    handle: () => ok([project])
  }),

  route({
    method: 'GET',
    path: '/v2/projects/:project',
    summary: 'Reads the project.',
    answer: ProjectRead,
    handle ({ params }) {
      requireProject(params.project)
      return ok(project)
    }
  }),

  route({
    method: 'GET',
    path: '/v2/projects/:project/envs',
    summary: 'Lists the one environment.',
    answer: Type.Array(EnvironmentRead),
    handle ({ params }) {
      requireProject(params.project)
      return ok([environment])
    }
  }),

  route({
    method: 'GET',
    path: '/v2/projects/:project/envs/:environment',
    summary: 'Reads the environment.',
    answer: EnvironmentRead,
    handle ({ params }) {
      requireEnvironment(params.project, params.environment)
      return ok(environment)
    }
  }),

  route({
    method: 'GET',
    path: '/v2/projects/:project/envs/:environment/stats',
    summary: 'Reads the environment, and how much it holds.',
    answer: EnvironmentStats,
    async handle ({ params, environment: held, inTimeSlices }) {
      requireEnvironment(params.project, params.environment)
      return ok({ ...environment, pdp_configs: [], stats: await inTimeSlices(counted(held)) })
    }
  }),

  route({
    method: 'GET',
    path: '/v2/pdps/me/config',
    summary: 'The environment that a PDP with this token would serve.',
    answer: Type.Object({ organization_id: Type.String(), project_id: Type.String(), environment_id: Type.String() }),
    handle: () => ok(SCOPE)
  })
]

function requireProject (given: string): void {
  if (!PROJECT.has(given)) throw notFound(`project '${given}'`)
}

function requireEnvironment (inProject: string, given: string): void {
  if (!PROJECT.has(inProject) || !ENVIRONMENT.has(given)) throw notFound(`environment '${given}' of project '${inProject}'`)
}

/** How much the environment holds, counted in steps. */
function * counted ({ engine: { facts }, schema }: Environment) {
  const users = yield * lengthOf(facts.users())
  const tenants = yield * lengthOf(facts.tenants())
  const { roles, resources, set_rules: rules } = schema
  return {
    roles: Object.keys(roles).length,
    users,
    policies: rules.length,
    resources: Object.keys(resources).length,
    tenants,
    has_decision_logs: false,
    members: []
  }
}

function * lengthOf (items: Iterable<unknown>): Generator<undefined, number> {
  let length = 0
  const iterator = items[Symbol.iterator]()
  while (iterator.next().done !== true) {
    length++
    yield
  }
  return length
}
