// The ids of the one organization, project and environment of a local PDP. They are the same for all local PDPs.
export const SCOPE = Object.freeze({
  organization_id: '10ca1000-0000-4000-8000-00000000000a',
  project_id: '10ca1000-0000-4000-8000-00000000000b',
  environment_id: '10ca1000-0000-4000-8000-00000000000c'
})
