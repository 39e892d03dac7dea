// Modules that are loaded when they are first needed.
import type { MaybePromise } from './maybe-promise.js'

/**
 * Returns a function that loads a module at its first call. Later calls return the module itself: `import()` takes microseconds and several
 * ticks each time, also for a module that is loaded.
 */
export function loadOnce<M> (load: () => Promise<M>): () => MaybePromise<M> {
  let loaded: M | undefined
  return () => loaded ?? load().then(module => { loaded = module; return module })
}
