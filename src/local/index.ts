// The face of `fastify-permit/pdp`: the local PDP.
export { createLocalPdp, type LocalPdp } from './server/local-pdp.js'
export type { LocalPdpOptions } from './server/options.js'
export { OptionsError } from '../errors.js'
export { PolicyError, type PolicyProblem } from './policy-file.js'
export type { Policy } from '../engine/policy.js'
