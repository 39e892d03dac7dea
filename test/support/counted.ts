// Random runs that count what they meet. The first half is the same each time, so that its counts are certain; the second half is always new.
import fc from 'fast-check'

const SEED = 20_261_128

interface Runs<T> extends fc.Parameters<T> { readonly numRuns: number }

/**
 * Runs a property, and checks counts after the runs that are the same each time.
 *
 * @param check - asserts on the counts after so many runs
 */
export async function assertCounted<T> (property: fc.IRawProperty<T>, parameters: Runs<T>, check: (runs: number) => void): Promise<void> {
  const steady = Math.ceil(parameters.numRuns / 2)
  await fc.assert(property, { ...parameters, numRuns: steady, seed: SEED })
  check(steady)
  if (parameters.numRuns > steady) await fc.assert(property, { ...parameters, numRuns: parameters.numRuns - steady })
}
