// The options of the local PDP: one schema, from which the types, the checks and the words come.
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import { OptionsError } from '../contract/errors.js'
import { closest } from '../kit/suggest.js'
import type { Policy } from '../engine/policy/policy.js'

// What Node refuses in a header no client can send.
const HEADER_SAFE = '^[\\x21-\\x7e]+$'

/** Fastify's `logger` option, or a logger. */
export type LoggerOption = FastifyServerOptions['logger'] | FastifyBaseLogger

/** What a message says that an option should be. */
interface Words { readonly expected: string }

const OpaSchema = Type.Object({
  /** Port; 0 takes a free one, and `pdp.opaUrl` says which. */
  port: Type.Integer({ minimum: 0, maximum: 65_535, expected: 'a port, an integer from 0 to 65535' }),
  /**
   * Address to listen on.
   * @defaultValue `127.0.0.1`
   */
  host: Type.Optional(Type.String({ minLength: 1, expected: 'an address or a host name' }))
}, { additionalProperties: false })

const ReportSchema = Type.Object({
  url: Type.String({ pattern: '^https?://' }),
  headers: Type.Optional(Type.Record(Type.String(), Type.String({ pattern: '^[\\x20-\\x7e]*$' })))
}, { additionalProperties: false })

/** The schema of the options. */
export const LocalPdpOptionsSchema = Type.Object({
  /**
   * The policy: the path of a `permit.yaml` or `.json`, or the same as an object.
   * @defaultValue an empty one: all is written by the API
   */
  policy: Type.Optional(Type.Unsafe<string | Policy>({
    ...Type.Union([Type.String({ minLength: 1 }), Type.Object({})]),
    expected: 'the path of a policy file (.yaml, .yml or .json), or a policy as an object'
  })),
  /**
   * The folder of the database in which facts survive.
   * @defaultValue none: facts live in memory
   */
  data: Type.Optional(Type.String({ minLength: 1, expected: 'the path of a folder' })),
  /**
   * The bearer token that every request but those for health has to carry. Without one the PDP answers on the loopback only, to everybody there.
   */
  token: Type.Optional(Type.String({ pattern: HEADER_SAFE, expected: 'a string of visible ASCII characters, without spaces' })),
  /**
   * Reload the policy file when it changes.
   * @defaultValue true
   */
  watch: Type.Optional(Type.Boolean({ expected: 'true or false' })),
  /**
   * What is said of users who were never synced, and of tenants that do not exist. `permit`: what Permit's PDP says, where conditions decide with what
   * the question gives, and may say yes. `deny`: no.
   * @defaultValue `permit`
   */
  unknown: Type.Optional(Type.Enum(['permit', 'deny'], { expected: "'permit' or 'deny'" })),
  /**
   * Whether decisions say why, in `debug`, and in `context` by AuthZEN. Without, equal decisions are equal answers.
   * @defaultValue true
   */
  debug: Type.Optional(Type.Boolean({ expected: 'true or false' })),
  /**
   * The types of AuthZEN subjects that are users. Others are denied, by name.
   * @defaultValue every type, as in Permit's PDP
   */
  userTypes: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 64, expected: "a list of types, such as ['user']" })),
  /**
   * Fastify's `logger` option, or a logger.
   * @defaultValue false
   */
  logger: Type.Optional(Type.Unsafe<LoggerOption>({
    ...Type.Union([Type.Boolean(), Type.Object({})]),
    expected: "Fastify's logger option, or a logger"
  })),
  /**
   * Where to report that data or the policy has changed, as the container's OPAL client does: URLs of apps with the option `updates`, with the
   * headers that they want. One after the other; what cannot be delivered is tried again until it can.
   * @defaultValue nowhere
   */
  reportTo: Type.Optional(Type.Array(ReportSchema, { maxItems: 16, expected: 'up to 16 of { url, headers? }' })),
  /** Serve the path that some SDKs ask of OPA on a port of its own, too, as the container does on 8181. It opens when the app gets ready. */
  opa: Type.Optional(Type.Intersect([OpaSchema], { expected: '{ port, host? }' }))
}, { additionalProperties: false })

/** The options that are objects, or lists of such, and what may be in them. */
const INNER: Readonly<Record<string, object>> = { opa: OpaSchema.properties, reportTo: ReportSchema.properties }

/** The options of {@link createLocalPdp}. */
export type LocalPdpOptions = Static<typeof LocalPdpOptionsSchema>

let validator: { Check (value: unknown): boolean, Errors (value: unknown): Array<{ instancePath: string, keyword: string, params: unknown }> } | undefined

/**
 * Checks the options. One that is `undefined` was not given.
 *
 * @throws {@link OptionsError} that names the option and what it should be
 */
export function checkLocalPdpOptions (input: unknown): LocalPdpOptions {
  if (typeof input !== 'object' || input === null) throw new OptionsError(`the options of the local PDP are ${input === null ? 'null' : `a ${typeof input}`}; expected an object`)
  validator ??= Compile(LocalPdpOptionsSchema)
  const options: unknown = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  if (validator.Check(options)) return options as LocalPdpOptions
  throw new OptionsError(complaint(validator.Errors(options)))
}

function complaint (errors: ReadonlyArray<{ instancePath: string, keyword: string, params: unknown }>): string {
  const { properties } = LocalPdpOptionsSchema
  const unknown = errors.find(({ keyword }) => keyword === 'additionalProperties')
  if (unknown !== undefined) {
    const [name = ''] = (unknown.params as { additionalProperties: readonly string[] }).additionalProperties
    const path = unknown.instancePath.split('/').slice(1)
    const known = Object.keys(path[0] === undefined ? properties : INNER[path[0]] ?? {})
    const meant = closest(name, known)
    return `option "${[...path, name].join('.')}" of the local PDP is not known; expected one of ${known.join(', ')}${meant === undefined ? '' : `; did you mean "${meant}"?`}`
  }
  const [name = ''] = errors[0]?.instancePath.split('/').slice(1) ?? []
  const { expected } = (properties as Record<string, Partial<Words>>)[name] ?? {}
  // The value is not quoted: it may be the token.
  return `option "${name}" of the local PDP cannot be used; expected ${expected}`
}
