// OAuth 2.0 client credentials (RFC 6749, 4.4) as a function for the option `token`.
import { OptionsError } from '../contract/errors.js'
import { optionMistake } from '../kit/option-mistakes.js'
import { loadOAuthLibrary, type OAuthLibrary } from './oauth-library.js'
import { clientCredentialsChecker, ClientCredentialsSchema, type ClientCredentialsOptions } from './oauth-options-schema.js'

export type { ClientCredentialsOptions } from './oauth-options-schema.js'

/** The largest response of an authorization server, bytes. */
const MAX_RESPONSE = 256 * 1024

const TIMEOUT = 5_000

/** Hosts that are asked without TLS. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** The reason in the response of an authorization server (RFC 6749, 5.2). */
const ERROR_CODE = /^[a-z_]{1,40}$/

/** A token, and the seconds until it expires, if the server says so. */
interface GrantedToken {
  readonly token: string
  readonly expiresIn?: number
}

/**
 * No token was granted. `code` is the server's reason, such as `invalid_client`, or names what went wrong, such as `ETIMEDOUT`. Neither the
 * secret nor what the server said is in it.
 */
export class ClientCredentialsError extends Error {
  override readonly name = 'ClientCredentialsError'
  readonly code: string

  constructor (code: string) {
    super(`the authorization server granted no token: ${code}`)
    this.code = code
  }
}

/**
 * Returns a function for the option `token` that gets access tokens by client credentials. The plugin calls it when it needs a token, when
 * the last one is about to expire, and when the PDP has rejected it.
 *
 * The server is asked over https; without TLS only on this machine. Redirects are not followed. A response is read up to 256 KiB.
 *
 * @returns a function that rejects with {@link ClientCredentialsError} when no token is granted
 * @throws `OptionsError` when the options cannot be used
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 * import { clientCredentials } from 'fastify-permit/oauth'
 *
 * const app = Fastify()
 * await app.register(permit, {
 *   pdp: 'https://pdp.example.com',
 *   protocol: 'authzen',
 *   token: clientCredentials({
 *     issuer: 'https://login.example.com',
 *     clientId: 'my-app',
 *     clientSecret: process.env.CLIENT_SECRET ?? '',
 *     parameters: { scope: 'decisions' }
 *   })
 * })
 * ```
 */
export function clientCredentials (options: ClientCredentialsOptions): () => Promise<GrantedToken> {
  for (const name of ['clientId', 'clientSecret'] as const) {
    if (options[name] === undefined) throw new OptionsError(`option "${name}" of clientCredentials is missing; expected a string`)
  }
  if (!clientCredentialsChecker.Check(options)) {
    throw new OptionsError(optionMistake(ClientCredentialsSchema, options, ' of clientCredentials'))
  }
  if ((options.issuer === undefined) === (options.tokenEndpoint === undefined)) {
    throw new OptionsError('clientCredentials has both or neither of "issuer" and "tokenEndpoint"; expected one of them')
  }
  const issuer = options.issuer === undefined ? undefined : urlOf('issuer', options.issuer)
  const endpoint = options.tokenEndpoint === undefined ? undefined : urlOf('tokenEndpoint', options.tokenEndpoint)
  // Read again after an error: the server may have moved.
  let metadata = endpoint === undefined ? undefined : { issuer: endpoint.origin, token_endpoint: endpoint.href }

  return async () => {
    const library = await loadOAuthLibrary()
    const signal = AbortSignal.timeout(options.timeout ?? TIMEOUT)
    try {
      metadata ??= await discover(library, issuer as URL, options.discovery ?? 'oidc', signal)
      return await grant(library, metadata, options, signal)
    } catch (error) {
      if (endpoint === undefined) metadata = undefined
      throw new ClientCredentialsError(codeOf(error))
    }
  }
}

type Metadata = Awaited<ReturnType<OAuthLibrary['processDiscoveryResponse']>>

async function discover (library: OAuthLibrary, issuer: URL, algorithm: 'oidc' | 'oauth2', signal: AbortSignal) {
  const response = await library.discoveryRequest(issuer, { algorithm, ...requestOptions(library, issuer, signal) })
  const { issuer: found, token_endpoint: endpoint = '' } = await library.processDiscoveryResponse(issuer, response)
  if (!isSafe(endpoint)) throw new ClientCredentialsError('UNSAFE_ENDPOINT')
  return { issuer: found, token_endpoint: endpoint }
}

async function grant (
  library: OAuthLibrary, metadata: Metadata, options: ClientCredentialsOptions, signal: AbortSignal
): Promise<GrantedToken> {
  const { clientId, clientSecret, authentication = 'basic', parameters = {} } = options
  const client = { client_id: clientId }
  const proof = authentication === 'basic' ? library.ClientSecretBasic(clientSecret) : library.ClientSecretPost(clientSecret)
  const request = requestOptions(library, new URL(metadata.token_endpoint ?? ''), signal)
  const response = await library.clientCredentialsGrantRequest(metadata, client, proof, parameters, request)
  const { access_token: token, token_type: type, expires_in: expiresIn } =
    await library.processClientCredentialsResponse(metadata, client, response)
  // The PDP gets it as a bearer token.
  if (type.toLowerCase() !== 'bearer') throw new ClientCredentialsError('NOT_A_BEARER_TOKEN')
  return { token, ...(expiresIn === undefined || expiresIn <= 0 ? {} : { expiresIn }) }
}

function requestOptions (library: OAuthLibrary, url: URL, signal: AbortSignal) {
  return { signal, [library.customFetch]: fetchBounded, [library.allowInsecureRequests]: url.protocol === 'http:' }
}

/** Reads the whole response, which may not be larger than it should be. */
async function fetchBounded (url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...options, redirect: 'manual' })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length
    if (size > MAX_RESPONSE) throw new ClientCredentialsError('RESPONSE_TOO_LARGE')
    chunks.push(chunk as Uint8Array)
  }
  const { status, headers } = response
  return new Response(status === 204 || status === 205 || status === 304 ? null : Buffer.concat(chunks), { status, headers })
}

/** What may be said of an error: a code. */
function codeOf (error: unknown): string {
  if (error instanceof ClientCredentialsError) return error.code
  const { error: reason, cause, code, name } = Object(error) as Record<string, unknown>
  if (name === 'TimeoutError') return 'ETIMEDOUT'
  if (typeof reason === 'string' && ERROR_CODE.test(reason)) return reason
  const inner = Object(cause) as Record<string, unknown>
  if (inner['name'] === 'TimeoutError') return 'ETIMEDOUT'
  return [inner['code'], code, name].find((part): part is string => typeof part === 'string' && part !== '')?.slice(0, 60) ?? 'UNKNOWN'
}

function urlOf (name: string, text: string): URL {
  if (!isSafe(text)) {
    throw new OptionsError(`option "${name}" of clientCredentials cannot be used; expected an https URL without credentials, ` +
      'or an http URL of this machine')
  }
  return new URL(text)
}

function isSafe (text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.username !== '' || url.password !== '' || url.hash !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))
}
