// Where the plugin says what an operator wants to know: Express has no logger, so that the app may give one.
import { OptionsError } from '../contract/errors.js'

/** pino, or anything of its shape. */
export interface Log {
  debug (details: object, message: string): void
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** What is used when the app gives none: what is wrong is told, what is normal is not. */
const CONSOLE: Log = {
  debug () {},
  info () {},
  warn (details, message) { console.warn(message, details) },
  error (details, message) { console.error(message, details) }
}

/**
 * The log that the options name.
 * @throws `OptionsError`
 */
export function logOf (given: unknown): Log {
  if (given === undefined) return CONSOLE
  const usable = (typeof given === 'object' || typeof given === 'function') && given !== null &&
    LEVELS.every(level => typeof (given as Record<string, unknown>)[level] === 'function')
  if (!usable) throw new OptionsError(`option "log" cannot be used; expected an object with the functions ${LEVELS.join(', ')}, such as pino()`)
  return given as Log
}
