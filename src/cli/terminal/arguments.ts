// Parses arguments with `node:util`, and reports mistakes as `UsageError`.
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { isRecord } from '../../kit/is-record.js'
import { readJson } from '../../kit/read-json.js'
import { closest } from '../../kit/suggest.js'
import { UsageError } from './command.js'

type Options = NonNullable<ParseArgsConfig['options']>

interface Config<T extends Options> {
  readonly args: string[]
  readonly options: T
}

interface ConfigWithFiles<T extends Options> extends Config<T> {
  readonly allowPositionals: true
}

type Values<C extends ParseArgsConfig> = ReturnType<typeof parseArgs<C>>['values']

/**
 * Parses the arguments of a command that takes options only.
 *
 * @throws {@link UsageError}
 */
export function parseOptions<T extends Options> (args: string[], options: T): Values<Config<T>> {
  return withUsageErrors(options, () => parseArgs<Config<T>>({ args, options }).values)
}

/**
 * Parses the arguments of a command that takes options and files.
 *
 * @throws {@link UsageError}
 */
export function parseFilesAndOptions<T extends Options> (
  args: string[], options: T
): { readonly files: string[], readonly options: Values<ConfigWithFiles<T>> } {
  return withUsageErrors(options, () => {
    const { values, positionals } = parseArgs<ConfigWithFiles<T>>({ args, options, allowPositionals: true })
    return { files: positionals, options: values }
  })
}

/**
 * Parses a port; 0 stands for any free port.
 *
 * @throws {@link UsageError}
 */
export function portOf (name: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new UsageError(`--${name} ${text} is not a port; write a number from 0 to 65535`)
  return port
}

/**
 * Parses a whole number.
 *
 * @throws {@link UsageError}
 */
export function integerOf (name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(number >= min && number <= max)) throw new UsageError(`--${name} ${text} is not a whole number from ${min} to ${max}`)
  return number
}

/**
 * Parses a JSON object. The error does not quote the text: it may be a confidential attribute.
 *
 * @throws {@link UsageError}
 */
export function objectOf (name: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = readJson(text)
  } catch {
    // The value stays undefined, which is not an object either.
  }
  if (!isRecord(value)) {
    throw new UsageError(`--${name} is not a JSON object; write one, quoted for the shell: --${name} '{"level":3}'`)
  }
  return value
}

function withUsageErrors<R> (options: Options, parse: () => R): R {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // The first sentence says what is wrong; the rest is about options in general.
    const sentence = error.message.split('. ')[0] ?? ''
    const name = 'code' in error && error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'--([^']+)'/.exec(sentence)?.[1] : undefined
    const nearest = name === undefined ? undefined : closest(name, Object.keys(options))
    throw new UsageError(nearest === undefined ? sentence : `${sentence} (did you mean '--${nearest}'?)`)
  }
}
