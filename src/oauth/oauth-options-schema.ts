// The schema of the options of client credentials.
import Type, { type Static } from 'typebox'
import { checkerOf } from '../kit/checker.js'

const Text = (description: string, expected: string) => Type.String({ minLength: 1, description, expected })

const TEXT = 'a string that is not empty'

export const ClientCredentialsSchema = Type.Object({
  /** The issuer's URL. The token endpoint is read from its metadata. Set this or `tokenEndpoint`. */
  issuer: Type.Optional(Text("The issuer's URL, whose metadata names the token endpoint.", 'an https URL')),
  /** Where the metadata is: `oidc`, OpenID Connect's `/.well-known/openid-configuration`; `oauth2`, RFC 8414.
   * @defaultValue `oidc` */
  discovery: Type.Optional(Type.Union([Type.Literal('oidc'), Type.Literal('oauth2')], { expected: "'oidc' or 'oauth2'" })),
  /** The URL of the token endpoint. Set this or `issuer`. */
  tokenEndpoint: Type.Optional(Text('The token endpoint.', 'an https URL')),
  clientId: Text('The id of this app at the authorization server.', TEXT),
  clientSecret: Text('The secret of this app.', TEXT),
  /** How id and secret are sent: as HTTP Basic, or in the body.
   * @defaultValue `basic` */
  authentication: Type.Optional(Type.Union([Type.Literal('basic'), Type.Literal('post')], { expected: "'basic' or 'post'" })),
  /** Further parameters of the request, such as `scope`, `audience` or `resource`. */
  parameters: Type.Optional(Type.Record(Type.String(), Type.String(), { expected: 'an object of strings' })),
  /** How long getting a token may take, with the metadata, ms.
   * @defaultValue 5000 */
  timeout: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, expected: 'milliseconds, an integer from 1 to 10000' }))
}, { additionalProperties: false })

/** The options of {@link clientCredentials}. */
export type ClientCredentialsOptions = Static<typeof ClientCredentialsSchema>

export const clientCredentialsChecker = checkerOf(ClientCredentialsSchema)
