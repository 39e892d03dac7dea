// Values that may be promises: continues synchronously when no promise is needed.

/** Whether `value` must be awaited. Any thenable counts, because functions of the app may return any kind of promise. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** Calls `next` with the value: now, or when the promise resolves. */
export function whenResolved<T, R> (value: T | PromiseLike<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isThenable(value) ? Promise.resolve(value as PromiseLike<T>).then(next) : next(value as T)
}

/** Ignores the result of a promise. Without a handler, a rejection would end the process. */
export function ignore (value: unknown): void {
  if (isThenable(value)) value.then(() => {}, () => {})
}

/** A value or a promise of it. A value that is available costs no tick. */
export type MaybePromise<T> = T | Promise<T>
