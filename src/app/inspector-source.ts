// The data of the inspector, besides the decisions that it observes.
import type { DecisionPointStats, Pdp } from '../contract/point.js'
import type { Environment } from '../environment/environment.js'

/** The parts of an opened plugin, or of the local PDP, that the inspector reads. It changes none of them. */
export interface Inspected {
  readonly path: {
    /** Asked directly, by the cache; absent where there is an environment. */
    readonly pdp?: Pick<Pdp, 'decide'>
    /** Policy and facts of the embedded PDP; undefined while it is not open. */
    readonly environment?: () => Environment | undefined
  }
  /** How long a check may take, ms. */
  readonly timeout: number
  readonly checks: { stats (): DecisionPointStats }
}
