// The options of the local PDP: one schema, which provides their types, their validation and the texts of error messages.
import Type, { type Static } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import { OptionsError } from '../contract/errors.js'
import { optionMistake, show } from '../kit/option-mistakes.js'
import { isProduction } from '../kit/is-production.js'
import type { Policy } from '../engine/policy/policy.js'

// Checked here, because Node refuses other characters in a header.
const HEADER_SAFE = '^[\\x21-\\x7e]+$'

/** Fastify's `logger` option, or a logger. */
export type LoggerOption = FastifyServerOptions['logger'] | FastifyBaseLogger

const OpaSchema = Type.Object({
  /** Port; 0 selects a free port, see `pdp.opaUrl`. */
  port: Type.Integer({ minimum: 0, maximum: 65_535, expected: 'a port, an integer from 0 to 65535' }),
  /**
   * The address to listen on.
   * @defaultValue `127.0.0.1`
   */
  host: Type.Optional(Type.String({ minLength: 1, expected: 'an address or a host name' }))
}, { additionalProperties: false })

const ReportSchema = Type.Object({
  url: Type.String({ pattern: '^https?://', expected: 'an http(s) URL' }),
  headers: Type.Optional(Type.Record(Type.String(), Type.String({ pattern: '^[\\x20-\\x7e]*$' }), {
    expected: 'an object of header values, in visible ASCII characters and spaces'
  }))
}, { additionalProperties: false })

/** The schema of the options. */
export const LocalPdpOptionsSchema = Type.Object({
  /**
   * The policy: the path of a `permit.yaml` or `.json`, or the policy as an object.
   * @defaultValue an empty policy, which is then written through the API
   */
  policy: Type.Optional(Type.Unsafe<string | Policy>({
    ...Type.Union([Type.String({ minLength: 1 }), Type.Object({})]),
    expected: 'the path of a policy file (.yaml, .yml or .json), or a policy as an object'
  })),
  /**
   * The folder of the database for facts, which then survive restarts.
   * @defaultValue none: facts are kept in memory
   */
  data: Type.Optional(Type.String({ minLength: 1, expected: 'the path of a folder' })),
  /**
   * The bearer token that every request must carry, except health checks. Without a token, the PDP listens only on the loopback, and
   * answers every client there.
   */
  token: Type.Optional(Type.String({
    pattern: HEADER_SAFE,
    expected: 'a string of visible ASCII characters, without spaces'
  })),
  /**
   * Whether the policy file is reloaded when it changes.
   * @defaultValue true
   */
  watch: Type.Optional(Type.Boolean({ expected: 'true or false' })),
  /**
   * How to decide on users that were never synced, and on tenants that do not exist. `permit`: like Permit's PDP, where conditions still
   * apply to the attributes in the check, and may allow it. `deny`: always deny.
   * @defaultValue `permit`
   */
  unknown: Type.Optional(Type.Enum(['permit', 'deny'], { expected: "'permit' or 'deny'" })),
  /**
   * Whether decisions contain reasons: in `debug`, or in `context` with AuthZEN. Without reasons, equal decisions have equal answers.
   * @defaultValue true
   */
  debug: Type.Optional(Type.Boolean({ expected: 'true or false' })),
  /**
   * The types of AuthZEN subjects that are users. Subjects of other types are denied.
   * @defaultValue every type, as in Permit's PDP
   */
  userTypes: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    minItems: 1,
    maxItems: 64,
    expected: "an array of 1 to 64 types, such as ['user']"
  })),
  /**
   * Fastify's `logger` option, or a logger.
   * @defaultValue false
   */
  logger: Type.Optional(Type.Unsafe<LoggerOption>({
    ...Type.Union([Type.Boolean(), Type.Object({})]),
    expected: "Fastify's logger option, or a logger"
  })),
  /**
   * Where to report changes of the data or the policy, as the container's OPAL client does: the URLs of apps with the option `updates`, and
   * the headers to send. Reports are sent in order, and are retried until they are delivered.
   * @defaultValue none
   */
  reportTo: Type.Optional(Type.Array(ReportSchema, { maxItems: 16, expected: 'an array of up to 16 { url, headers? }' })),
  /**
   * A page at `/_permit` that shows decisions while they are made, why each is what it is, and the policy. The PDP then listens on the
   * loopback only. With a token, the browser asks for a user name and a password: the password is the token, the name may be anything. With
   * `NODE_ENV=production` it needs a token. `attributes: true` shows attributes of users and resources, and contexts.
   * @defaultValue false
   */
  inspector: Type.Optional(Type.Union([
    Type.Boolean(),
    Type.Object({ attributes: Type.Optional(Type.Boolean({ expected: 'true or false' })) }, { additionalProperties: false })
  ], { expected: 'true, false or { attributes? }' })),
  /** Serves OPA's route, which some SDKs call, on a separate port, like the container on 8181. The port opens when the app is ready. */
  opa: Type.Optional(Type.Union([OpaSchema], { expected: '{ port, host? }' }))
}, { additionalProperties: false })

/** The options of {@link createLocalPdp}. */
export type LocalPdpOptions = Static<typeof LocalPdpOptionsSchema>

let validator: Validator | undefined

/**
 * Validates the options. An undefined option counts as not given.
 *
 * @throws {@link OptionsError} that names the option and says what is expected
 */
export function checkLocalPdpOptions (input: unknown): LocalPdpOptions {
  if (typeof input !== 'object' || input === null) {
    throw new OptionsError(`the options of the local PDP are ${show(input)}; expected an object`)
  }
  validator ??= Compile(LocalPdpOptionsSchema)
  const options: unknown = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  if (!validator.Check(options)) throw new OptionsError(optionMistake(LocalPdpOptionsSchema, options, ' of the local PDP'))
  const { inspector = false, token } = options as LocalPdpOptions
  if (inspector !== false && token === undefined && isProduction(process.env)) {
    throw new OptionsError('option "inspector" of the local PDP is on with NODE_ENV=production and without a token; ' +
      'set a token, which the browser then asks for, or inspector: false')
  }
  return options as LocalPdpOptions
}
