// Arguments by `node:util`'s rules, with its errors in our words.
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { UsageError } from './command.js'

type Options = NonNullable<ParseArgsConfig['options']>

interface Given<T extends Options> {
  readonly args: string[]
  readonly options: T
}

/**
 * The options among the arguments. No command takes anything else.
 *
 * @throws {@link UsageError}
 */
export function parseOptions<T extends Options> (args: string[], options: T): ReturnType<typeof parseArgs<Given<T>>>['values'] {
  try {
    return parseArgs<Given<T>>({ args, options }).values
  } catch (error) {
    // Node's message is a sentence, and a lecture after it.
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error))
  }
}

/**
 * A port, 0 for a free one.
 *
 * @throws {@link UsageError}
 */
export function portOf (name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new UsageError(`--${name} ${text} is not a port; write a number from 0 to 65535`)
  return port
}
