// Going on with a value that may be there already: no promise where none is needed.

/** Whether `value` has to be waited for. Any thenable counts: what the app's functions return is not ours to choose. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/** `next(value)`, now if `value` is here, else when it is. */
export function whenever<T, R> (value: T | PromiseLike<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isThenable(value) ? Promise.resolve(value as PromiseLike<T>).then(next) : next(value as T)
}

/** Takes the sting out of a promise that nobody will look at: a rejection that is not handled ends the process. */
export function ignore (value: unknown): void {
  if (isThenable(value)) value.then(() => {}, () => {})
}

/** A value now, or a promise of it: an answer that is at hand costs no tick. */
export type MaybePromise<T> = T | Promise<T>
