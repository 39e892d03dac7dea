// The fields of every object of the REST API: its id, its scope and its timestamps.
import Type from 'typebox'
import { SCOPE } from './identity.js'
import type { Metadata } from '../../environment/object-metadata.js'

/** The fields, for schemas. */
export const CommonFields = {
  id: Type.String({ description: 'UUID.' }),
  organization_id: Type.String(),
  project_id: Type.String(),
  environment_id: Type.String(),
  created_at: Type.String({ description: 'ISO 8601.' }),
  updated_at: Type.String({ description: 'ISO 8601.' })
}

/** The values of the fields, for answers. */
export function commonFields ({ id, created_at: created, updated_at: updated }: Metadata) {
  return { id, ...SCOPE, created_at: created, updated_at: updated }
}
