// The workload of all benchmarks: one RBAC policy, its users, and questions whose answers are known.

export const TYPES = 50
export const ACTIONS = 10
export const ROLES = 20

export interface Question { user: string, action: string, type: string, allow: boolean }

export interface Workload {
  roles: Map<string, string[]>
  /** The role of each user, in the tenant `default`. */
  users: Map<string, string>
  questions: Question[]
}

/** 500 permissions (50 types of 10 actions), 20 roles with 50 permissions each, users with one role each. */
export function workload (users = 1_000, questions = 4_096): Workload {
  const permissions: [string, string][] = []
  for (let type = 0; type < TYPES; type++) {
    for (let action = 0; action < ACTIONS; action++) permissions.push([`type${type}`, `action${action}`])
  }
  const roles = new Map<string, string[]>()
  for (let role = 0; role < ROLES; role++) {
    // Each role has its own half, and half of its neighbour's.
    const own = Array.from({ length: 50 }, (_, index) => permissions[(role * 25 + index) % permissions.length]!)
    roles.set(`role${role}`, own.map(([type, action]) => `${type}:${action}`))
  }
  const roleOf = new Map<string, string>()
  for (let user = 0; user < users; user++) roleOf.set(`user${user}@example.com`, `role${user % ROLES}`)

  const names = [...roleOf.keys()]
  const random = generator(7)
  const asked = Array.from({ length: questions }, (): Question => {
    const user = names[random(names.length)]!
    const own = roles.get(roleOf.get(user)!)!
    // Every other question is about something that the user may do.
    const [type, action] = random(2) === 0 ? own[random(own.length)]!.split(':') as [string, string] : permissions[random(permissions.length)]!
    return { user, action, type, allow: own.includes(`${type}:${action}`) }
  })
  return { roles, users: roleOf, questions: asked }
}

/** The same as a permit.yaml would say it. */
export function permitPolicy ({ roles, users }: Workload) {
  const actions = Object.fromEntries(Array.from({ length: ACTIONS }, (_, index) => [`action${index}`, {}]))
  return {
    resources: { ...Object.fromEntries(Array.from({ length: TYPES }, (_, index) => [`type${index}`, { actions }])), task: { actions: { read: {} } } },
    roles: { ...Object.fromEntries([...roles].map(([role, permissions]) => [role, { permissions }])), reader: { permissions: ['task:read'] } },
    users: Object.fromEntries([...users.keys()].map(user => [user, {}])),
    role_assignments: [...users].flatMap(([user, role]) => [{ user, role, tenant: 'default' }, { user, role: 'reader', tenant: 'default' }])
  }
}

/** A small generator of numbers that are the same in each run. */
export function generator (seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 4294967296 * below)
  }
}
