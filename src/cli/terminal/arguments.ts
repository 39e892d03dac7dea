// Arguments by `node:util`'s rules, with its errors in our words.
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { closest } from '../../kit/suggest.js'
import { UsageError } from './command.js'

type Options = NonNullable<ParseArgsConfig['options']>

interface Given<T extends Options> {
  readonly args: string[]
  readonly options: T
}

interface GivenWithFiles<T extends Options> extends Given<T> {
  readonly allowPositionals: true
}

/**
 * The options among the arguments of a command that takes nothing else.
 *
 * @throws {@link UsageError}
 */
export function parseOptions<T extends Options> (args: string[], options: T): ReturnType<typeof parseArgs<Given<T>>>['values'] {
  return inOurWords(options, () => parseArgs<Given<T>>({ args, options }).values)
}

/**
 * The options among the arguments, and what else there is: files.
 *
 * @throws {@link UsageError}
 */
export function parseFilesAndOptions<T extends Options> (args: string[], options: T): { readonly files: string[], readonly options: ReturnType<typeof parseArgs<GivenWithFiles<T>>>['values'] } {
  return inOurWords(options, () => {
    const { values, positionals } = parseArgs<GivenWithFiles<T>>({ args, options, allowPositionals: true })
    return { files: positionals, options: values }
  })
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

/**
 * A whole number.
 *
 * @throws {@link UsageError}
 */
export function integerOf (name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(number >= min && number <= max)) throw new UsageError(`--${name} ${text} is not a whole number from ${min} to ${max}`)
  return number
}

/**
 * An object written as JSON. What it holds is not repeated: it may be an attribute that is nobody's business.
 *
 * @throws {@link UsageError}
 */
export function objectOf (name: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Below, as everything else that is no object.
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`--${name} is not an object in JSON; write one, in quotes for the shell: --${name} '{"level":3}'`)
  }
  return value as Readonly<Record<string, unknown>>
}

function inOurWords<R> (options: Options, parse: () => R): R {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // Node's message is a sentence, and a lecture after it.
    const sentence = error.message.split('. ')[0] ?? ''
    const name = 'code' in error && error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'--([^']+)'/.exec(sentence)?.[1] : undefined
    const meant = name === undefined ? undefined : closest(name, Object.keys(options))
    throw new UsageError(meant === undefined ? sentence : `${sentence} (did you mean '--${meant}'?)`)
  }
}
