// The log of the plugin in Express, which has no logger of its own.
import { OptionsError } from '../contract/errors.js'

/** pino, or an object with the same functions. */
export interface Log {
  debug (details: object, message: string): void
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** The default: problems are written to the console, other messages are dropped. */
const CONSOLE: Log = {
  debug () {},
  info () {},
  warn (details, message) { console.warn(message, details) },
  error (details, message) { console.error(message, details) }
}

/**
 * Returns the log of the options, or the default.
 * @throws `OptionsError`
 */
export function logOf (given: unknown): Log {
  if (given === undefined) return CONSOLE
  const usable = (typeof given === 'object' || typeof given === 'function') && given !== null &&
    LEVELS.every(level => typeof (given as Record<string, unknown>)[level] === 'function')
  if (!usable) {
    throw new OptionsError(`option "log" cannot be used; expected an object with the functions ${LEVELS.join(', ')}, such as pino()`)
  }
  return given as Log
}
