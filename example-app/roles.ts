// Who has which roles, by tenant. A PDP that keeps facts is told once, by seed.ts; one that keeps none with each question.

const roles: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'john@smith.com': { default: ['admin'], tenant2: ['viewer'] },
  'ada@example.com': { default: ['admin'] },
  'victor@example.com': { default: ['viewer'] },
  'tess@example.com': { tenant2: ['admin'] }
}

export function rolesOf (email: string): Readonly<Record<string, readonly string[]>> {
  return Object.hasOwn(roles, email) ? roles[email] ?? {} : {}
}
