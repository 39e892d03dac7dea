// Modules, and what is made of them, that are loaded when they are first needed.
import type { MaybePromise } from './maybe-promise.js'

/**
 * Returns a function that loads something at its first call. Later calls return it, without a promise: `import()` takes microseconds and
 * several ticks each time, also for a module that is loaded.
 */
export function loadOnce<M> (load: () => Promise<M>): () => MaybePromise<M> {
  let loaded: M | undefined
  return () => loaded ?? load().then(module => { loaded = module; return module })
}
