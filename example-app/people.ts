// The users who can log in. Their roles are in the PDP, see seed.ts.

export interface Person {
  /** Also the user's key in Permit. */
  readonly email: string
  /** Only for this demo: a real service uses an identity provider. */
  readonly password: string
}

const people: readonly Person[] = [
  { email: 'ada@example.com', password: 'ada' },        // admin in the tenant default
  { email: 'victor@example.com', password: 'victor' },  // viewer in the tenant default
  { email: 'tess@example.com', password: 'tess' },      // admin in tenant2
  { email: 'noel@example.com', password: 'noel' }       // no role anywhere
]

export function findPerson (email: string, password: string): Person | undefined {
  return people.find(person => person.email === email && person.password === password)
}
