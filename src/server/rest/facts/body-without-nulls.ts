// Removes `null`, which clients in other languages send for missing values.

/** Returns the object without properties that are `null`. */
export function withoutNull<T extends object> (value: T): { [K in keyof T]: Exclude<T[K], null> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null)) as { [K in keyof T]: Exclude<T[K], null> }
}
