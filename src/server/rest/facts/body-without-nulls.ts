// `null` for what is not there, as clients of other languages write it, to what the environment takes.

/** The object without what is `null`. */
export function withoutNull<T extends object> (value: T): { [K in keyof T]: Exclude<T[K], null> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null)) as { [K in keyof T]: Exclude<T[K], null> }
}
