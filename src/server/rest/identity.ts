// Where everything is that a local PDP holds: one organization, one project, one environment, the same for all local PDPs.
export const SCOPE = Object.freeze({
  organization_id: '10ca1000-0000-4000-8000-00000000000a',
  project_id: '10ca1000-0000-4000-8000-00000000000b',
  environment_id: '10ca1000-0000-4000-8000-00000000000c'
})
