// Writes the users and their roles to the PDP, embedded or over the network: the quickstart's John, and the users who can log in.
import type { AppPermit } from 'fastify-permit'

export async function seed (app: { readonly permit: Pick<AppPermit, 'api' | 'write'> }): Promise<void> {
  const { api } = app.permit

  // First a user, with an initial role.
  await app.permit.write(
    api.syncUser({
      key: 'john@smith.com',
      firstName: 'John',
      lastName: 'Smith',
      email: 'john@smith.com',
      roles: [{ role: 'admin', tenant: 'default' }]
    })
  )

  // Then the second tenant, with John as a viewer. Writes are applied in order; the first failure stops them.
  await app.permit.write(
    api.createTenant({ key: 'tenant2', name: 'Second Tenant' }),
    api.assignRole('john@smith.com', 'viewer', 'tenant2')
  )

  await app.permit.write(
    api.syncUser({ key: 'ada@example.com', firstName: 'Ada', roles: [{ role: 'admin', tenant: 'default' }] }),
    api.syncUser({ key: 'victor@example.com', firstName: 'Victor', roles: [{ role: 'viewer', tenant: 'default' }] }),
    api.syncUser({ key: 'tess@example.com', firstName: 'Tess', roles: [{ role: 'admin', tenant: 'tenant2' }] }),
    api.syncUser({ key: 'noel@example.com', firstName: 'Noel' })   // no role anywhere
  )
}
