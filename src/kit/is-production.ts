// Whether the environment says that this is production.

/**
 * Whether `NODE_ENV` is `production`, however it is written: what is not for production stays off when in doubt, so `Production` and
 * `" production\n"` from a file are production, too, and so is `prod`.
 */
export function isProduction ({ NODE_ENV: name = '' }: Readonly<Record<string, string | undefined>>): boolean {
  return /^[\s"']*prod(?:uction)?[\s"']*$/i.test(name)
}
