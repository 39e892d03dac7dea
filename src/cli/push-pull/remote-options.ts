// The options by which commands reach Permit's REST API.
import { integerOf } from '../terminal/arguments.js'
import { UsageError } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'
import type { RestClient } from '../../moving/rest-client.js'

/** Permit's API. */
const PERMIT_API = 'https://api.permit.io'

/** How long a command may take, s. */
const TIMEOUT = '600'

/** The options. */
export const REMOTE_OPTIONS = {
  'api-url': { type: 'string' },
  'api-key': { type: 'string' },
  timeout: { type: 'string', default: TIMEOUT }
} as const

/** Their help. */
export const REMOTE_HELP = `  --api-url <url>   Permit's API, or a local PDP; default: PERMIT_API_URL, or ${PERMIT_API}
  --api-key <key>   the API key of the environment; prefer PERMIT_API_KEY, because every process on this machine can read arguments
  --timeout <s>     the timeout of the command, in seconds; default: ${TIMEOUT}`

/** Their values. */
export interface RemoteOptions {
  readonly 'api-url'?: string | undefined
  readonly 'api-key'?: string | undefined
  readonly timeout: string
}

/**
 * Runs with a connection to the environment of the key, which is closed at the end.
 *
 * @throws {@link UsageError} when an option is wrong
 */
export async function withEnvironment<R> (options: RemoteOptions, { env }: Terminal, run: (client: RestClient) => Promise<R>): Promise<R> {
  const { url, key, deadline } = connectionOf(options, env, { url: 'PERMIT_API_URL', key: 'PERMIT_API_KEY', otherwise: PERMIT_API })
  if (key === undefined) throw new UsageError('there is no API key; set PERMIT_API_KEY')
  const { RestClient } = await import('../../moving/rest-client.js')
  const client = await RestClient.open({ url, key, deadline })
  try {
    return await run(client)
  } finally {
    await client.close()
  }
}

/**
 * Where to connect, with which key, and until when.
 *
 * @param names - the variables of the environment, and the URL without one
 * @throws {@link UsageError} when an option is wrong
 */
export function connectionOf (
  options: RemoteOptions, env: Terminal['env'], names: { readonly url: string, readonly key: string, readonly otherwise: string }
): { readonly url: URL, readonly key: string | undefined, readonly deadline: number } {
  const text = options['api-url'] ?? env[names.url] ?? names.otherwise
  const url = URL.canParse(text) ? new URL(text) : undefined
  // The message does not quote the URL: it may contain a password.
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new UsageError(`--api-url (${names.url}) must be an http(s) URL without credentials`)
  }
  const given = options['api-key'] ?? env[names.key]
  const key = given === '' ? undefined : given
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new UsageError(`--api-key (${names.key}) contains characters that are not allowed in a key`)
  }
  return { url, key, deadline: performance.now() + integerOf('timeout', options.timeout, 1, 86_400) * 1000 }
}
