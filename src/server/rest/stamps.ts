// What everything has that the REST API reads back: an id, the scope that it is in, and its times.
import Type from 'typebox'
import { SCOPE } from './identity.js'
import type { Metadata } from '../../environment/ledger.js'

/** For schemas. */
export const Stamps = {
  id: Type.String({ description: 'UUID.' }),
  organization_id: Type.String(),
  project_id: Type.String(),
  environment_id: Type.String(),
  created_at: Type.String({ description: 'ISO 8601.' }),
  updated_at: Type.String({ description: 'ISO 8601.' })
}

/** For answers. */
export function stamp ({ id, created_at: created, updated_at: updated }: Metadata) {
  return { id, ...SCOPE, created_at: created, updated_at: updated }
}
