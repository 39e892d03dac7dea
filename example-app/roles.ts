// The roles of the users, by tenant. seed.ts writes them to a PDP that stores facts; for other PDPs, each check sends them.

const roles: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'john@smith.com': { default: ['admin'], tenant2: ['viewer'] },
  'ada@example.com': { default: ['admin'] },
  'victor@example.com': { default: ['viewer'] },
  'tess@example.com': { tenant2: ['admin'] }
}

export function rolesOf (email: string): Readonly<Record<string, readonly string[]>> {
  return Object.hasOwn(roles, email) ? roles[email] ?? {} : {}
}
