// The entry `fastify-permit/pdp`: the local PDP.
export { createLocalPdp, type LocalPdp } from './local-pdp.js'
export type { LocalPdpOptions } from './local-pdp-options.js'
export { OptionsError } from '../contract/errors.js'
export { PolicyError, type PolicyProblem } from '../engine/policy/problems.js'
export type { Policy } from '../engine/policy/policy.js'
