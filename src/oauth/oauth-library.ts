// The part of oauth4webapi that is used, an optional peer. Its types are written down here, so that an app without it can compile.

interface Metadata { readonly issuer: string, readonly token_endpoint?: string }

interface Client { readonly client_id: string }

interface RequestOptions { readonly signal: AbortSignal }

type ClientAuth = (secret: string) => object

/** The library. Its options of a request have symbols as names. */
export interface OAuthLibrary {
  readonly customFetch: symbol
  readonly allowInsecureRequests: symbol
  readonly ClientSecretBasic: ClientAuth
  readonly ClientSecretPost: ClientAuth
  discoveryRequest (issuer: URL, options: RequestOptions & { readonly algorithm: 'oidc' | 'oauth2' }): Promise<Response>
  processDiscoveryResponse (issuer: URL, response: Response): Promise<Metadata>
  clientCredentialsGrantRequest (
    server: Metadata, client: Client, authentication: object, parameters: Record<string, string>, options: RequestOptions
  ): Promise<Response>
  processClientCredentialsResponse (
    server: Metadata, client: Client, response: Response
  ): Promise<{ readonly access_token: string, readonly token_type: string, readonly expires_in?: number }>
}

/** @throws when it is not installed */
export async function loadOAuthLibrary (): Promise<OAuthLibrary> {
  const name: string = 'oauth4webapi'
  try {
    return await import(name) as OAuthLibrary
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`client credentials need the package oauth4webapi, which cannot be loaded (${reason}): npm i oauth4webapi`)
  }
}
