// The schema of the plugin's options: the source of their types, defaults, error messages and the table in docs/options.md.
import Type, { type Static } from 'typebox'
import type { UserInput } from '../../decision/query.js'
import type { CustomBus } from '../../bus/bus-target.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { WireDispatcher } from '../../pdp/http/dispatcher.js'
import type { TokenFunction, TokenSource } from '../../pdp/http/token.js'
import type { ShadowReport } from '../../contract/shadow-difference.js'
import type { OnDecision } from '../../observe/audit-trail.js'
import type { MetricsOptions, OpenTelemetryOptions } from '../../observe/telemetry-options.js'
import type { EvaluationIds, EvaluationMap, TenantPlace, TypeObject } from '../../contract/evaluation.js'
import type { Annotation, Requirement, RequirementFunction } from '../../guard/annotation.js'
import type { OnDenied } from '../../guard/on-denied.js'
import type { RolesOption } from '../../decision/roles-of-request.js'
import { ROUTE_PATTERN } from '../../guard/route-patterns.js'
import { checkerOf } from '../../kit/checker.js'

/** Returns the user of a request. `undefined` or `null` means that the request is not authenticated: 401 on a guarded route. */
export type UserOption<R> = (request: R) => UserInput | null | undefined | Promise<UserInput | null | undefined>
/**
 * Returns the tenant of a request; `undefined` or `null` means `default`. The type includes arrays, because a header may be one and
 * `request => request.headers['x-tenant']` should compile. An array at run time is rejected, because it does not name a single tenant.
 */
export type TenantOption<R> = (request: R) =>
  string | readonly string[] | null | undefined | Promise<string | readonly string[] | null | undefined>

export type { RolesOption } from '../../decision/roles-of-request.js'

/** Returns headers for the request to the PDP, such as those of a trace. Called when a check of the request is sent. */
export type HeadersFunction<R> = (request: R) => Readonly<Record<string, string | undefined>> | undefined

/** The texts of an option's schema: `expected` is for error messages, and all three are for the table of options. */
export interface Words { description: string, expected: string, shownDefault?: string }

function callable<T> (words: Words) {
  return Type.Refine(Type.Unsafe<T>({ ...words, typeof: 'function' }), value => typeof value === 'function')
}

// Checked here, because Node's own error for an invalid header quotes its value.
export const HEADER_SAFE = '^[\\x21-\\x7e]+$'

const HEADER_NAME = '^[A-Za-z0-9!#$%&\'*+.^_`|~-]+$'
const HEADER_VALUE = '^[\\x20-\\x7e]*$'

const HEADERS_EXPECTED = 'at most 32 header names, each with a value of visible ASCII characters, ' +
  'or a function from the request to such headers; not authorization, which is the option "token", and no header that HTTP itself needs'

/** Headers as an option, and as a function returns them. */
export const HeadersSchema = Type.Record(Type.String({ pattern: HEADER_NAME }), Type.String({ pattern: HEADER_VALUE }), {
  additionalProperties: false,
  maxProperties: 32
})

export const headersChecker = checkerOf(HeadersSchema)

const TOKEN_EXPECTED = 'a string of visible ASCII characters, without spaces, a function that returns one, or { file }'

export const DEFAULT_CHANNEL = 'fastify-permit'

export const DEFAULT_INSPECTOR_PATH = '/_permit'

const BUS_EXPECTED = "a URL that begins with redis:, rediss: or postgres:, 'cluster', a client of ioredis, redis or pg, " +
  'an object with publish and subscribe, or { url or client, channel?, degradedTtl?, secret? }'

const TlsSchema = Type.Object({
  /**
   * The authorities that may have signed the PDP's certificate.
   * @defaultValue Node's own authorities
   */
  ca: Type.Optional(Type.String({
    minLength: 1,
    description: "The authorities that may have signed the PDP's certificate.",
    expected: 'a PEM text or the path of a PEM file',
    shownDefault: "Node's authorities"
  })),
  /**
   * This app's certificate, for a PDP that asks for one. Requires `key`.
   * @defaultValue none
   */
  cert: Type.Optional(Type.String({
    minLength: 1,
    description: "This app's certificate, for a PDP that asks for one. Requires `key`.",
    expected: 'a PEM text or the path of a PEM file',
    shownDefault: 'none'
  })),
  /**
   * The private key of `cert`.
   * @defaultValue none
   */
  key: Type.Optional(Type.String({
    minLength: 1,
    description: 'The private key of `cert`.',
    expected: 'a PEM text or the path of a PEM file',
    shownDefault: 'none'
  })),
  /**
   * The name that the PDP's certificate must have.
   * @defaultValue the host of the PDP's URL
   */
  servername: Type.Optional(Type.String({
    minLength: 1,
    description: "The name that the PDP's certificate must have.",
    expected: 'a host name',
    shownDefault: "the host of the PDP's URL"
  }))
}, { additionalProperties: false })

export const CacheSchema = Type.Object({
  /**
   * How long a decision is cached. In ms.
   * @defaultValue 2000
   */
  ttl: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 86_400_000,
    default: 2_000,
    description: 'How long a decision is cached.',
    expected: 'milliseconds, an integer from 1 to 86400000 (a day)'
  })),
  /**
   * The most cached decisions; the least recently used one is evicted first.
   * @defaultValue 50000
   */
  max: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    default: 50_000,
    description: 'The most cached decisions; the least recently used one is evicted first.',
    expected: 'an integer from 1 to 10000000'
  })),
  /**
   * The maximum age of a cached decision that is used while the PDP is unreachable. In ms; greater than `ttl`. Invalidated decisions are
   * never used. The price: a role that was removed at the PDP may work for that long.
   * @defaultValue off: without a PDP there is no decision
   */
  staleIfError: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 86_400_000,
    description: 'The maximum age of a cached decision that is used while the PDP is unreachable.',
    expected: 'milliseconds, an integer from 1 to 86400000, greater than ttl',
    shownDefault: 'off'
  }))
}, { additionalProperties: false })

export const BreakerSchema = Type.Object({
  /**
   * Consecutive failures after which a PDP is probed. The breaker opens when the probe fails, too.
   * @defaultValue 5
   */
  failures: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 5,
    description: 'Consecutive failures after which a PDP is probed. The breaker opens when the probe fails, too.',
    expected: 'an integer from 1 to 1000'
  })),
  /**
   * How often a failed PDP is probed for recovery. In ms.
   * @defaultValue 500
   */
  halfOpenAfter: Type.Optional(Type.Integer({
    minimum: 10,
    maximum: 60_000,
    default: 500,
    description: 'How often a failed PDP is probed for recovery.',
    expected: 'milliseconds, an integer from 10 to 60000'
  }))
}, { additionalProperties: false })

export const HedgeSchema = Type.Object({
  /**
   * The percentile of recent latencies after which a second request is sent.
   * @defaultValue 99
   */
  percentile: Type.Optional(Type.Number({
    minimum: 50,
    maximum: 99.9,
    default: 99,
    description: 'The percentile of recent latencies after which a second request is sent.',
    expected: 'a number from 50 to 99.9'
  })),
  /**
   * The shortest time before a second request is sent. In ms.
   * @defaultValue 10
   */
  min: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 10,
    description: 'The shortest time before a second request is sent.',
    expected: 'milliseconds, an integer from 1 to 60000'
  }))
}, { additionalProperties: false })

const UpdatesPath = Type.String({
  pattern: '^/[^?#*:]*$',
  description: 'The path of the route.',
  expected: "a path without params, such as '/permit/updates'"
})

export const UpdatesSchema = Type.Object({
  /** The path of the route. */
  path: UpdatesPath,
  /**
   * The secret that reports must carry in the header `x-permit-updates-secret`. At least 16 characters.
   * @defaultValue the environment's PERMIT_UPDATES_SECRET
   */
  secret: Type.Optional(Type.String({
    minLength: 16,
    pattern: HEADER_SAFE,
    description: 'The secret that reports must carry in the header `x-permit-updates-secret`.',
    expected: 'a string of at least 16 visible ASCII characters',
    shownDefault: '`PERMIT_UPDATES_SECRET`'
  }))
}, { additionalProperties: false })

/** A second PDP or policy, which gets the same questions and does not decide. */
export const ShadowSchema = Type.Object({
  /** The URL of a PDP, or several of replicas, with Permit's wire format. Set this or `policy`. */
  pdp: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    description: "The URL of a PDP, or several of replicas, with Permit's wire format. Set this or `policy`.",
    expected: "a URL such as 'http://localhost:7766', or an array of them"
  })),
  /** The token of that PDP. @defaultValue the environment's PERMIT_API_KEY */
  token: Type.Optional(Type.String({
    pattern: HEADER_SAFE,
    description: 'The token of that PDP.',
    expected: 'a string of visible ASCII characters, without spaces',
    shownDefault: '`PERMIT_API_KEY`'
  })),
  /** A policy file, or a policy as an object, with its own facts. Set this or `pdp`. */
  policy: Type.Optional(Type.Unsafe<string | Policy>({
    ...Type.Union([Type.String({ minLength: 1 }), Type.Object({})]),
    description: 'A policy file, or a policy as an object, with its own facts. Set this or `pdp`.',
    expected: 'the path of a policy file (.yaml, .yml or .json), or a policy as an object'
  })),
  /**
   * The share of questions that are asked, from 0 to 1.
   * @defaultValue 1
   */
  sample: Type.Optional(Type.Number({
    minimum: 0,
    maximum: 1,
    default: 1,
    description: 'The share of questions that are asked, from 0 to 1.',
    expected: 'a number from 0 to 1'
  })),
  /**
   * The most questions to the shadow at a time. More of them are skipped and counted.
   * @defaultValue 100
   */
  max: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 100,
    description: 'The most questions to the shadow at a time. More of them are skipped and counted.',
    expected: 'an integer from 1 to 10000'
  })),
  /** Called for each difference. Its first error is logged. */
  report: Type.Optional(callable<ShadowReport>({
    description: 'Called for each difference.',
    expected: 'a function of the difference; may be async',
    shownDefault: 'none: differences are counted and logged'
  }))
}, { additionalProperties: false })

export const BusSchema = Type.Object({
  /** `redis://…` or `rediss://…` (Redis, Valkey), `postgres://…`, or `cluster`. Set this or `client`. */
  url: Type.Optional(Type.String({
    minLength: 1,
    description: '`redis://…` or `rediss://…` (Redis, Valkey), `postgres://…`, or `cluster`. Set this or `client`.',
    expected: BUS_EXPECTED
  })),
  /** A client of `ioredis`, `redis` or `pg`, or an object with `publish` and `subscribe`. It is never closed. */
  client: Type.Optional(Type.Unsafe<object>({
    ...Type.Object({}),
    description: 'A client of `ioredis`, `redis` or `pg`, or an object with `publish` and `subscribe`. It is never closed.',
    expected: 'a client of ioredis, redis or pg, or an object with publish and subscribe'
  })),
  /**
   * The channel of the messages. Each app needs its own.
   * @defaultValue `fastify-permit`
   */
  channel: Type.Optional(Type.String({
    pattern: '^[A-Za-z0-9_.:-]{1,63}$',
    default: DEFAULT_CHANNEL,
    description: 'The channel of the messages. Each app needs its own.',
    expected: 'at most 63 letters, digits and _.:-'
  })),
  /**
   * How long decisions are cached while the bus is unreachable. In ms. Also how soon an instance notices that another one is not heard.
   * @defaultValue `cache.ttl`
   */
  degradedTtl: Type.Optional(Type.Integer({
    minimum: 500,
    maximum: 86_400_000,
    description: 'How long decisions are cached while the bus is unreachable.',
    expected: 'milliseconds, an integer from 500 to 86400000 (a day)',
    shownDefault: '`cache.ttl`'
  })),
  /**
   * Signs messages and hashes users. The same in all instances. At least 16 characters.
   * @defaultValue the environment's PERMIT_BUS_SECRET, otherwise `token` if it is a string
   */
  secret: Type.Optional(Type.String({
    minLength: 16,
    description: 'Signs messages and hashes users. The same in all instances.',
    expected: 'a string of at least 16 characters',
    shownDefault: '`PERMIT_BUS_SECRET`, otherwise `token`'
  }))
}, { additionalProperties: false })

const MetricsSchema = Type.Object({
  /**
   * The registry for the metrics: a `Registry` of `prom-client`.
   * @defaultValue its own, `prom-client`'s `register`
   */
  register: Type.Optional(Type.Unsafe<NonNullable<MetricsOptions['register']>>({
    ...Type.Object({}),
    description: 'The registry for the metrics: a `Registry` of `prom-client`.',
    expected: 'a Registry of prom-client',
    shownDefault: "prom-client's own"
  })),
  /**
   * The prefix of the metrics' names.
   * @defaultValue `fastify_permit_`
   */
  prefix: Type.Optional(Type.String({
    pattern: '^[a-zA-Z_][a-zA-Z0-9_]*$',
    description: "The prefix of the metrics' names.",
    expected: 'letters, digits and underscores',
    shownDefault: '`fastify_permit_`'
  }))
}, { additionalProperties: false })

const OpenTelemetrySchema = Type.Object({
  /**
   * The provider for spans.
   * @defaultValue the global provider
   */
  tracerProvider: Type.Optional(Type.Unsafe<NonNullable<OpenTelemetryOptions['tracerProvider']>>({
    ...Type.Object({}),
    description: 'The provider for spans.',
    expected: 'a TracerProvider',
    shownDefault: 'the global one'
  })),
  /**
   * The provider for metrics.
   * @defaultValue the global provider
   */
  meterProvider: Type.Optional(Type.Unsafe<NonNullable<OpenTelemetryOptions['meterProvider']>>({
    ...Type.Object({}),
    description: 'The provider for metrics.',
    expected: 'a MeterProvider',
    shownDefault: 'the global one'
  }))
}, { additionalProperties: false })

const CONTEXT_NAMES = "an array of names, such as ['subject_*', 'resource_tenant']"

export const AuthZenSchema = Type.Object({
  /**
   * The PDP behind the protocol. A preset only sets other options, and each of them can be given beside it.
   * @defaultValue none
   */
  preset: Type.Optional(Type.Enum(['openfga', 'cerbos', 'permit'], {
    description: '[The PDP behind the protocol](openfga.md#the-preset).',
    expected: "'openfga', 'cerbos' or 'permit'",
    shownDefault: 'none'
  })),
  /**
   * The id of the store of OpenFGA. Only with `preset: 'openfga'`.
   * @defaultValue the store in the path of `pdp`
   */
  store: Type.Optional(Type.String({
    pattern: '^[0-9A-Z]{26}$',
    description: "The id of the store of OpenFGA. Only with `preset: 'openfga'`.",
    expected: 'the id of a store: 26 digits and capital letters',
    shownDefault: 'in the path of `pdp`'
  })),
  /**
   * The id of the authorization model of OpenFGA. Only with `preset: 'openfga'`.
   * @defaultValue the store's latest model
   */
  model: Type.Optional(Type.String({
    pattern: '^[0-9A-Z]{26}$',
    description: "The id of the authorization model of OpenFGA. Only with `preset: 'openfga'`.",
    expected: 'the id of a model: 26 digits and capital letters',
    shownDefault: 'the latest'
  })),
  /**
   * How keys are written as ids. `encode` is percent-encoding, for PDPs whose ids have no `:`, `#`, `@` and
   * spaces. Or functions. A key that has no id is denied without asking the PDP, with the code `impossible_id`.
   * @defaultValue keys are ids
   */
  ids: Type.Optional(Type.Union([
    Type.Literal('encode'),
    Type.Object({
      /** The id for a key and its type; `undefined` if no id exists. */
      write: callable<EvaluationIds['write']>({
        description: 'The id for a key and its type; `undefined` if no id exists.',
        expected: 'a function from a key and its type to an id, or to nothing'
      }),
      /** The key for an id and its type; `undefined` if no key exists. */
      read: callable<EvaluationIds['read']>({
        description: 'The key for an id and its type; `undefined` if no key exists.',
        expected: 'a function from an id and its type to a key, or to nothing'
      })
    }, { additionalProperties: false })
  ], {
    description: '[How keys are written as ids](authzen.md#ids).',
    expected: "'encode' or { write, read }",
    shownDefault: 'as they are'
  })),
  /**
   * Where the tenant goes. Required where tenants are used. Into `resource.properties.tenant`, before the key in the resource's id, into
   * the context, into a second question about a relation, or where `map` puts it.
   * @defaultValue none: there is only the tenant `default`
   */
  tenants: Type.Optional(Type.Unsafe<TenantPlace>({
    ...Type.Union([
      Type.Enum(['properties', 'ids', 'map']),
      Type.Object({
        /** The name in the context. */
        context: Type.String({ minLength: 1, description: 'The name in the context.', expected: 'a name' })
      }, { additionalProperties: false }),
      Type.Object({
        /** The relation of a tenant to its resources. */
        relation: Type.String({ minLength: 1, description: 'The relation of a tenant to its resources.', expected: 'a relation' }),
        /**
         * The type of tenants.
         * @defaultValue `tenant`
         */
        type: Type.Optional(Type.String({
          minLength: 1, description: 'The type of tenants.', expected: 'a type', shownDefault: '`tenant`'
        }))
      }, { additionalProperties: false })
    ]),
    description: '[Where the tenant goes](authzen.md#tenants). Required where tenants are used.',
    expected: "'properties', 'ids', 'map', { context: 'name' } or { relation: 'name' }",
    shownDefault: 'only the tenant `default`'
  })),
  /**
   * The objects that stand for resource types. In questions without a key. `'*'` is for all types without an entry. `{tenant}` is the id of
   * the tenant, `{type}` the resource's type.
   * @defaultValue the id `*` of each type
   */
  types: Type.Optional(Type.Unsafe<Readonly<Record<string, TypeObject>>>({
    ...Type.Record(Type.String(), Type.Union([
      Type.String({ minLength: 3 }),
      Type.Object(
        { resource: Type.String({ minLength: 3 }), action: Type.Optional(Type.String({ minLength: 1 })) }, { additionalProperties: false }
      )
    ])),
    description: '[The objects that stand for resource types](authzen.md#types).',
    expected: "an object such as { document: 'folder:root' } or { '*': '{type}:{tenant}/*' }, or with { resource, action }",
    shownDefault: 'the id `*` of each'
  })),
  /**
   * Whether what is allowed on a type is allowed on each resource of it, as with Permit's roles. Each question about a resource is then
   * two.
   * @defaultValue `false`
   */
  inheritFromType: Type.Optional(Type.Boolean({
    default: false,
    description: "Whether what is allowed on a type is allowed on each resource of it, as with Permit's roles.",
    expected: 'true or false'
  })),
  /**
   * The most characters that the PDP accepts for a type, a colon and an id. A key whose id is longer is denied, with the code
   * `impossible_id`.
   * @defaultValue no limit
   */
  longest: Type.Optional(Type.Object({
    /** Of the subject. */
    subject: Type.Optional(Type.Integer({
      minimum: 1, description: 'Of the subject.', expected: 'a number of characters', shownDefault: 'no limit'
    })),
    /** Of the resource. */
    resource: Type.Optional(Type.Integer({
      minimum: 1, description: 'Of the resource.', expected: 'a number of characters', shownDefault: 'no limit'
    }))
  }, {
    additionalProperties: false,
    description: 'The most characters that the PDP accepts for a type, a colon and an id.',
    expected: '{ subject?, resource? }',
    shownDefault: 'no limit'
  })),
  /**
   * Names that the context of a question must not have. The PDP gives them a meaning. A question with one is denied, with the code
   * `reserved_context`. With `*` at its end, every name that begins so.
   * @defaultValue `['subject_*', 'resource_*', 'action_*']`, which have a meaning in OpenFGA
   */
  reserved: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    maxItems: 100,
    description: '[Names that the context of a question must not have](authzen.md#context).',
    expected: CONTEXT_NAMES,
    shownDefault: "`['subject_*', 'resource_*', 'action_*']`"
  })),
  /**
   * Exceptions to `reserved`. Names that a context may have.
   * @defaultValue none
   */
  named: Type.Optional(Type.Array(Type.String({ minLength: 1 }), {
    maxItems: 100,
    description: 'Exceptions to `reserved`.',
    expected: CONTEXT_NAMES,
    shownDefault: 'none'
  })),
  /**
   * A name in the context that makes the PDP decide anew. Questions that it must not answer from its own cache have a random value under
   * this name, for a PDP that ignores `Cache-Control: no-cache` and whose cache takes the context into account. No other context may
   * have it.
   * @defaultValue none; `permit_cache_buster` with the preset `openfga`
   */
  cacheBuster: Type.Optional(Type.String({
    minLength: 1,
    description: '[A name in the context that makes the PDP decide anew](freshness.md#a-pdp-with-a-cache-of-its-own).',
    expected: 'a name',
    shownDefault: 'none'
  })),
  /**
   * A question that the PDP must be able to answer. It is asked at boot and by `health()`, about the user `fastify-permit-probe`.
   * @defaultValue the first permission that an annotation names
   */
  probe: Type.Optional(Type.Object({
    /** Its action. */
    action: Type.String({ minLength: 1, description: 'Its action.', expected: 'an action' }),
    /** Its resource, `type` or `type:key`. */
    resource: Type.String({ minLength: 1, description: 'Its resource, `type` or `type:key`.', expected: "'type' or 'type:key'" })
  }, {
    additionalProperties: false,
    description: '[A question that the PDP must be able to answer](resilience.md#at-boot).',
    expected: "{ action, resource }, such as { action: 'create', resource: 'document' }",
    shownDefault: 'of the routes'
  })),
  /**
   * Whether the PDP's endpoints are read from `/.well-known/authzen-configuration`. With `false`, the default paths are used.
   * @defaultValue true
   */
  discovery: Type.Optional(Type.Boolean({
    default: true,
    description: "Whether the PDP's endpoints are read from `/.well-known/authzen-configuration`.",
    expected: 'true or false'
  })),
  /**
   * Changes the evaluation that is sent to the PDP. Called with the default evaluation and the query; returns the evaluation to send.
   * Equal queries must give equal evaluations, because decisions are cached by query.
   * @defaultValue the default evaluation
   */
  map: Type.Optional(callable<EvaluationMap>({
    description: 'Changes the evaluation that is sent to the PDP.',
    expected: 'a function from an evaluation and its query to an evaluation',
    shownDefault: 'the defaults'
  })),
  /**
   * How plans are made: by the standard's resource search, or by Cerbos' PlanResources API.
   * @defaultValue `search`
   */
  plans: Type.Optional(Type.Union([Type.Literal('search'), Type.Literal('cerbos')], {
    default: 'search',
    description: "How [plans](lists.md) are made: by the standard's resource search, or by Cerbos' PlanResources API.",
    expected: "'search' or 'cerbos'"
  }))
}, { additionalProperties: false })

const UrlsSchema = Type.Object({
  /** The URL under which clients reach the app, as the URL mapping rules have it. The `Host` of a request does not count. */
  base: Type.String({
    // Without credentials, a query and a fragment.
    pattern: '^https?://[^\\s/?#@\\\\]+(?:/[^\\s?#\\\\]*)?$',
    maxLength: 2_048,
    description: 'The URL under which clients reach the app, as the URL mapping rules have it.',
    expected: "an http(s) URL without a query, such as 'https://api.example.com'"
  }),
  /**
   * Whether routes without an annotation are decided by their URL.
   * @defaultValue `false`
   */
  default: Type.Optional(Type.Boolean({
    default: false,
    description: 'Whether routes without an annotation are decided by their URL.',
    expected: 'true or false'
  }))
}, { additionalProperties: false })

const StrictSchema = Type.Object({
  /**
   * Public routes without an annotation, because another plugin declares them. Each entry is a URL as declared, including prefixes
   * (`/docs`). A trailing `/*` includes all routes below it (`/docs/*`). A method before the URL restricts the entry to it (`OPTIONS *`).
   * `/*` and `*` match only the routes with exactly that URL, not all routes. A route with an annotation is guarded in any case.
   * @defaultValue none
   */
  public: Type.Optional(Type.Array(Type.String({ pattern: ROUTE_PATTERN }), {
    maxItems: 1_000,
    description: 'Public routes without an annotation, because another plugin declares them.',
    expected: "an array of URLs as they are declared, such as '/docs', '/docs/*' for all below it, or 'OPTIONS *'",
    shownDefault: 'none'
  }))
}, { additionalProperties: false })

const RouteEntrySchema = Type.Object({
  /**
   * The URL of routes as declared, or with `/*` at its end of all routes below it. Prefixes are part of it. A slash at the end and the
   * case make no difference, unless `permit` is `false`.
   */
  url: Type.String({
    pattern: '^(?:\\*|/\\*|/[^*]*(?:/\\*)?)$',
    description: 'The URL of routes as declared, or with `/*` at its end of all routes below it.',
    expected: "a URL as it is declared, such as '/docs', or '/docs/*' for all below it"
  }),
  /** What these routes require, or `false`: every form that `config.permit` has. */
  /** What these routes require, as their `config.permit`. `false` is public. */
  permit: Type.Unsafe<unknown>({
    ...Type.Unknown(),
    description: 'What these routes require, as their `config.permit`.',
    expected: 'an annotation'
  })
}, { additionalProperties: false })

const GUARD_EXPECTED = "'type:action', { action, resource, … }, { anyOf } or { allOf }, or a function, as config.permit of a route"

export const InspectorSchema = Type.Object({
  /**
   * The path of the route.
   * @defaultValue `/_permit`
   */
  path: Type.Optional(Type.String({
    // Without a segment that begins with a dot.
    pattern: '^(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$',
    maxLength: 200,
    default: DEFAULT_INSPECTOR_PATH,
    description: 'The path of the route.',
    expected: "a path of letters, digits and -._~, without a slash at its end, such as '/_permit'",
    shownDefault: '`/_permit`'
  })),
  /**
   * What a user must be allowed to do to see the page and its data. Required with `NODE_ENV=production`. Without it, only requests from
   * this machine see them. A requirement, as `config.permit` of a route.
   */
  guard: Type.Optional(Type.Unsafe<Requirement<unknown> | RequirementFunction<unknown>>({
    ...Type.Union([
      Type.String({ minLength: 1 }),
      callable<() => unknown>({ description: 'Returns a requirement.', expected: GUARD_EXPECTED }),
      Type.Object({})
    ]),
    description: 'What a user must be allowed to do to see the page and its data. Required with `NODE_ENV=production`. ' +
      'Without it, only requests from this machine see them.',
    expected: GUARD_EXPECTED,
    shownDefault: 'none'
  })),
  /**
   * Whether the page shows attributes of users and resources, and contexts.
   * @defaultValue `false`
   */
  attributes: Type.Optional(Type.Boolean({
    default: false,
    description: 'Whether the page shows attributes of users and resources, and contexts.',
    expected: 'true or false'
  }))
}, { additionalProperties: false })

/** The schema of the options, for tools and documentation. */
export const OptionsSchema = Type.Object({
  /**
   * The URL of the PDP, or several for its replicas: Permit's PDP, or with `protocol` another one. Set this or `policy`, not both.
   * For example `http://localhost:7766` or `unix:/run/pdp.sock`. A path in it is a prefix. Several URLs are an array, or are separated by
   * commas; each check goes to the least busy healthy replica.
   * @defaultValue the environment's PERMIT_PDP_URL, unless `policy` is given
   */
  pdp: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 16 })], {
    description: 'The URL of the PDP, or several for its replicas: ' +
      "Permit's PDP, or with `protocol` another one. Set this or `policy`, not both.",
    expected: "an http(s) URL without credentials, query or hash, such as 'http://localhost:7766', or unix:/path/of.sock, " +
      'or up to 16 in an array',
    shownDefault: '`PERMIT_PDP_URL`'
  })),
  /**
   * The policy of the embedded PDP, which decides in this process. Set this or `pdp`, not both. The path of a `permit.yaml` or `.json`,
   * relative to the working directory, or the policy as an object.
   */
  policy: Type.Optional(Type.Unsafe<string | Policy>({
    ...Type.Union([Type.String({ minLength: 1 }), Type.Object({})]),
    description: 'The policy of the embedded PDP, which decides in this process. Set this or `pdp`, not both.',
    expected: 'the path of a policy file (.yaml, .yml or .json), or a policy as an object'
  })),
  /**
   * Permit's API key, or another PDP's token. Only sent to the PDP, as a bearer token. For tokens that change, a function or a file.
   * Required with `pdp`, except with `protocol: 'authzen'`.
   * The function, sync or async, returns the token or `{ token, expiresIn }` (seconds). `{ file }` is the path of a file with the token, as
   * Kubernetes mounts it. The function is called, and the file read, when a token is needed, when it is about to expire (a file: once a
   * minute) and when the PDP has rejected it; the rejected request is then sent once more.
   * With `protocol: 'authzen'`, no token is sent unless this option is set; PERMIT_API_KEY is ignored, because it belongs to Permit's PDP.
   * @defaultValue the environment's PERMIT_API_KEY; none with `protocol: 'authzen'`
   */
  token: Type.Optional(Type.Unsafe<TokenSource>({
    ...Type.Union([
      Type.String({ pattern: HEADER_SAFE }),
      callable<TokenFunction>({ description: 'Returns the token.', expected: TOKEN_EXPECTED }),
      Type.Object({
        file: Type.String({
          minLength: 1,
          description: 'The file with the token. It is read again once a minute, and when the PDP rejects the token.',
          expected: 'the path of a file'
        })
      }, { additionalProperties: false })
    ]),
    description: "Permit's API key, or another PDP's token. Only sent to the PDP, as a bearer token. " +
      'For tokens that change, a function or a file.',
    expected: TOKEN_EXPECTED,
    shownDefault: "`PERMIT_API_KEY`; none with `protocol: 'authzen'`"
  })),
  /**
   * Certificates for https: a private CA, this app's certificate and key, and the name that the PDP's certificate must have. `ca`, `cert`
   * and `key` are PEM texts or paths of PEM files. Files are read again when they change. Only with `pdp`.
   * @defaultValue Node's own authorities
   */
  tls: Type.Optional(Type.Union([TlsSchema], {
    description: "Certificates for https: a private CA, this app's certificate and key, and the name that the PDP's certificate must have.",
    expected: '{ ca?, cert?, key?, servername? }, of which ca, cert and key are PEM texts or paths of PEM files, ' +
      'and cert and key come together',
    shownDefault: "Node's authorities"
  })),
  /**
   * HTTP/2 to a PDP with an https URL. It must speak it. Only with `pdp`.
   * @defaultValue `false`
   */
  http2: Type.Optional(Type.Boolean({
    default: false,
    description: 'HTTP/2 to a PDP with an https URL.',
    expected: 'true or false'
  })),
  /**
   * The proxy to the PDP, or `false` for none. By default `HTTPS_PROXY` and `NO_PROXY` decide on PDPs with https URLs. A URL is used for
   * all PDPs. Only with `pdp`.
   * @defaultValue by the environment
   */
  proxy: Type.Optional(Type.Union([Type.Literal(false), Type.String({ pattern: '^https?://' })], {
    description: 'The proxy to the PDP, or `false` for none.',
    expected: "false or the http(s) URL of a proxy, such as 'http://proxy:3128'",
    shownDefault: '`HTTPS_PROXY` and `NO_PROXY`, for https'
  })),
  /**
   * A dispatcher of undici 7 that sends all requests to the PDP. It replaces the plugin's own connections. The app closes it. Only with
   * `pdp`; not with `tls`, `http2`, `proxy` or a Unix socket, which it would not know.
   * @defaultValue none: the plugin opens connections itself
   */
  dispatcher: Type.Optional(Type.Unsafe<WireDispatcher>({
    ...Type.Object({ dispatch: callable<WireDispatcher['dispatch']>({ description: 'Sends a request.', expected: 'a function' }) }),
    description: 'A dispatcher of undici 7 that sends all requests to the PDP.',
    expected: "a dispatcher of undici, such as an Agent; without options 'tls', 'http2' and 'proxy'",
    shownDefault: 'none'
  })),
  /**
   * Headers of every request to the PDP. For example one that a gateway in front of it expects. Or a function from the app's request to
   * headers, for traces: a batch carries those of the first of its requests that has some. Only with `pdp`.
   * @defaultValue none
   */
  headers: Type.Optional(Type.Unsafe<Readonly<Record<string, string>> | HeadersFunction<unknown>>({
    ...Type.Union([
      HeadersSchema,
      callable<HeadersFunction<unknown>>({ description: 'Returns headers.', expected: HEADERS_EXPECTED })
    ]),
    description: 'Headers of every request to the PDP.',
    expected: HEADERS_EXPECTED,
    shownDefault: 'none'
  })),
  /**
   * The protocol of the PDP: Permit's own, or OpenID AuthZEN. Only with `pdp`.
   * @defaultValue `permit`
   */
  protocol: Type.Optional(Type.Union([Type.Literal('permit'), Type.Literal('authzen')], {
    default: 'permit',
    description: "The protocol of the PDP: Permit's own, or [OpenID AuthZEN](authzen.md).",
    expected: "'permit' or 'authzen'"
  })),
  /** Settings for an AuthZEN PDP, or the name of a preset. Implies `protocol: 'authzen'`. */
  authzen: Type.Optional(Type.Union([Type.Enum(['openfga', 'cerbos', 'permit']), AuthZenSchema], {
    description: 'Settings for an AuthZEN PDP, or the name of a preset.',
    expected: "'openfga', 'cerbos', 'permit', or { preset?, discovery?, tenants?, ids?, types?, map?, plans?, … }"
  })),
  /**
   * The path at which the PDP says whether it is ready. A denial counts only from a PDP that is ready. One that has just started, and has
   * no data yet, denies everything. The path is asked when a denial arrives on a new connection or after a failure; its status is the
   * answer. At an AuthZEN PDP it is a path at the URL's origin. `false`: each denial counts at once. Only with `pdp`.
   * @defaultValue `/healthy`; `false` with `protocol: 'authzen'`
   */
  readiness: Type.Optional(Type.Union([Type.Literal(false), Type.String({ pattern: '^/[!-~]*$', maxLength: 2_000 })], {
    description: 'The path at which the PDP says whether it is [ready](resilience.md#a-pdp-that-is-up-and-empty). ' +
      'A denial counts only from a PDP that is ready.',
    expected: "false or a path, such as '/healthy'",
    shownDefault: "`/healthy`; `false` with `protocol: 'authzen'`"
  })),
  /**
   * The folder for the facts of the embedded PDP, which then survive restarts. Requires the package `lmdb`. Facts are users, tenants,
   * roles, resource instances and relationship tuples. The path is relative to the working directory; the folder is created when it does
   * not exist. Acknowledged writes survive a crash of the process. The facts in the policy are written to it once, when it is empty.
   * Processes of one machine and user that name the same folder share the facts: a write in one is seen by all, within 2 seconds. Only with
   * `policy`.
   * @defaultValue none: facts are kept in memory
   */
  data: Type.Optional(Type.String({
    minLength: 1,
    description: 'The folder for the facts of the embedded PDP, which then survive restarts. Requires the package `lmdb`.',
    expected: 'the path of a folder',
    shownDefault: 'in memory'
  })),
  /**
   * How the embedded PDP decides on users that were never synced, and on tenants that do not exist. `permit`: like Permit's PDP, where
   * conditions still apply to the attributes in the check, and may allow it. `deny`: always deny. Only with `policy`.
   * @defaultValue `permit`
   */
  unknown: Type.Optional(Type.Enum(['permit', 'deny'], {
    description: 'How the embedded PDP decides on users that were never synced, and on tenants that do not exist. ' +
      "`permit`: like Permit's PDP, where conditions still apply to the attributes in the check, and may allow it. `deny`: always deny.",
    expected: "'permit' or 'deny'",
    shownDefault: "`'permit'`"
  })),
  /**
   * The level of the log line of a denied request, by a guard or by `request.permit.assert`.
   * @defaultValue `info`
   */
  denials: Type.Optional(Type.Enum(['info', 'debug'], {
    description: 'The level of the log line of a denied request, by a guard or by `request.permit.assert`.',
    expected: "'info' or 'debug'",
    default: 'info'
  })),
  user: Type.Optional(callable<UserOption<unknown>>({
    description: 'Returns the user of a request. `undefined` or `null` is 401.',
    expected: 'a function from the request to a key, { key, email?, attributes? } or nothing; may be async',
    shownDefault: '`request => request.user?.sub`'
  })),
  tenant: Type.Optional(callable<TenantOption<unknown>>({
    description: 'Returns the tenant of a request, unless the annotation or the resource names one.',
    expected: 'a function from the request to a tenant key or nothing; may be async',
    shownDefault: '`default`'
  })),
  roles: Type.Optional(callable<RolesOption<unknown>>({
    description: 'Returns the roles of the user of a request, for apps that have them in a token and keep no users.',
    expected: 'a function from the request to a list of roles, { [tenant]: roles } or nothing; may be async',
    shownDefault: 'assigned roles only'
  })),
  /**
   * Caches decisions, allow and deny alike; `false` turns the cache off.
   * @defaultValue `{ ttl: 2000, max: 50000 }` with `pdp`, `false` with `policy`, which is faster than any cache
   */
  cache: Type.Optional(Type.Union([Type.Literal(false), CacheSchema], {
    description: 'Caches decisions, allow and deny alike; `false` turns the cache off.',
    expected: 'false or { ttl?, max?, staleIfError? }',
    shownDefault: 'on with `pdp`, `false` with `policy`'
  })),
  /**
   * How long a whole check may take, including waiting, connecting and retries. After that: 503. In ms. The default is longer than the
   * second that Permit's PDP waits for its policy engine, so that its 502 arrives and the log can say which of the two does not answer.
   * @defaultValue 1500
   */
  timeout: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 1_500,
    description: 'How long a whole check may take, including waiting, connecting and retries. After that: 503.',
    expected: 'milliseconds, an integer from 1 to 60000'
  })),
  /**
   * The most sockets to each PDP.
   * @defaultValue 32
   */
  connections: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_024,
    default: 32,
    description: 'The most sockets to each PDP.',
    expected: 'an integer from 1 to 1024'
  })),
  /**
   * The most checks that wait for the PDP; one more gets 503 at once.
   * @defaultValue 2000
   */
  queue: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 2_000,
    description: 'The most checks that wait for the PDP; one more gets 503 at once.',
    expected: 'an integer from 0 to 1000000'
  })),
  /**
   * The most checks in one bulk request to the PDP. Do not exceed the limit of the PDP. With `protocol: 'authzen'` the default is 50,
   * which is the limit of Cerbos.
   * @defaultValue 100
   */
  batch: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 100,
    description: 'The most checks in one bulk request to the PDP.',
    expected: 'an integer from 1 to 1000',
    shownDefault: "`100`; `50` with `protocol: 'authzen'`"
  })),
  /**
   * How often a check is retried on the same PDP after a temporary failure, within `timeout`. Temporary failures are: no connection, a
   * connection that broke before the response, status 429, and, for one retry, 502, 503 and 504. Other replicas are tried in any case. A
   * write is never retried.
   * @defaultValue 1
   */
  retries: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: 10,
    default: 1,
    description: 'How often a check is retried on the same PDP after a temporary failure, within `timeout`.',
    expected: 'an integer from 0 to 10'
  })),
  /**
   * The circuit breaker: a failing PDP gets no checks until it recovers. `false` turns it off. While it is open, checks fail at once, or
   * go to replicas.
   * @defaultValue `{ failures: 5, halfOpenAfter: 500 }`
   */
  breaker: Type.Optional(Type.Union([Type.Literal(false), BreakerSchema], {
    description: 'The circuit breaker: a failing PDP gets no checks until it recovers. `false` turns it off.',
    expected: 'false or { failures?, halfOpenAfter? }',
    shownDefault: 'on'
  })),
  /**
   * Hedging: sends a second request when the first one is slower than usual; at most 10 % more requests. The second request goes to another
   * replica, or on another connection.
   * @defaultValue false
   */
  hedge: Type.Optional(Type.Union([Type.Literal(false), HedgeSchema], {
    description: 'Hedging: sends a second request when the first one is slower than usual; at most 10 % more requests.',
    expected: 'false or { percentile?, min? }',
    shownDefault: '`false`'
  })),
  /**
   * How long a write waits until the PDP has received it. In ms. After that the write fails, although it was made. Not used by the embedded
   * PDP.
   * @defaultValue 10000
   */
  factsTimeout: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 10_000,
    description: 'How long a write waits until the PDP has received it.',
    expected: 'milliseconds, an integer from 1 to 600000'
  })),
  /**
   * Receives update reports of the PDP at this path, and drops the cached decisions that a change affects. Either the path, or the path and
   * the secret of the reports. Only with `pdp`; the embedded PDP needs no reports.
   * @defaultValue none: a change that this app did not make takes effect after `cache.ttl`
   */
  updates: Type.Optional(Type.Union([UpdatesPath, UpdatesSchema], {
    description: 'Receives update reports of the PDP at this path, and drops the cached decisions that a change affects.',
    expected: "a path such as '/permit/updates', or { path, secret? }"
  })),
  /**
   * Tells all instances which cached decisions to drop: Redis, PostgreSQL, `cluster`, or a client that the app already has.
   * Writes, `invalidate` and update reports of one instance apply to all. A URL (`redis://…`, `rediss://…`, `postgres://…`), `'cluster'`
   * for the processes of one `node:cluster`, a client of `ioredis`, `redis` or `pg`, an object with `publish` and `subscribe`, or
   * `{ url, channel, … }`. Requires a cache.
   * @defaultValue none: what one instance writes, the others notice after `cache.ttl`
   */
  bus: Type.Optional(Type.Unsafe<string | CustomBus | BusOption | object>({
    ...Type.Union([Type.String({ minLength: 1 }), Type.Object({})]),
    description: '[Tells all instances which cached decisions to drop](fleet.md): ' +
      'Redis, PostgreSQL, `cluster`, or a client that the app already has.',
    expected: BUS_EXPECTED,
    shownDefault: 'none'
  })),
  /**
   * Asks another PDP or policy the same questions, and reports where it decides differently. That is after the decision and out of the
   * way of the request; it never changes a decision. Differences are counted in `stats().shadow`, logged, and given to `report`. Decisions
   * from the cache are not compared.
   * @defaultValue none
   */
  shadow: Type.Optional(Type.Union([ShadowSchema], {
    description: '[Asks another PDP or policy the same questions](moving.md#shadow), and reports where it decides differently.',
    expected: '{ pdp or policy, token?, sample?, max?, report? }',
    shownDefault: 'none'
  })),
  onDenied: Type.Optional(callable<OnDenied<unknown, unknown>>({
    description: 'Replaces the 403 of a denied request with another response.',
    expected: 'a function of the request, the reply and the denial that returns an error, the reply it sent, or nothing; may be async'
  })),
  onDecision: Type.Optional(callable<OnDecision<unknown>>({
    description: 'Called for every decision and every plan, after the response, for an audit trail.',
    expected: 'a function of the event and the request; may be async'
  })),
  /**
   * Prometheus metrics. Requires the package `prom-client`. `true` registers them in its default registry.
   * @defaultValue `false`
   */
  metrics: Type.Optional(Type.Union([Type.Boolean(), MetricsSchema], {
    description: 'Prometheus metrics. Requires the package `prom-client`.',
    expected: 'true, false or { register?, prefix? }',
    shownDefault: '`false`'
  })),
  /**
   * OpenTelemetry spans and metrics. Requires the package `@opentelemetry/api`. `true` uses the globally registered providers.
   * @defaultValue `false`
   */
  openTelemetry: Type.Optional(Type.Union([Type.Boolean(), OpenTelemetrySchema], {
    description: 'OpenTelemetry spans and metrics. Requires the package `@opentelemetry/api`.',
    expected: 'true, false or { tracerProvider?, meterProvider? }',
    shownDefault: '`false`'
  })),
  /**
   * A page that shows decisions while they are made. For development: without a guard, it answers requests from this machine only, and
   * the app does not start with `NODE_ENV=production`.
   * @defaultValue `false`
   */
  inspector: Type.Optional(Type.Union([Type.Boolean(), InspectorSchema], {
    description: '[A page that shows decisions while they are made.](inspector.md)',
    expected: 'true, false or { path?, guard?, attributes? }',
    shownDefault: '`false`'
  })),
  /**
   * Refuses to start when a route has no annotation. An annotation is a permission, or `permit: false`. For Fastify.
   * @defaultValue `false`
   */
  strict: Type.Optional(Type.Union([Type.Boolean(), StrictSchema], {
    description: '[Refuses to start when a route has no annotation.](routes.md)',
    expected: 'true, false or { public? }',
    shownDefault: '`false`'
  })),
  /**
   * Annotations of routes that other plugins declare. For static files, proxies, documentation and metrics. Of several entries that cover a
   * route, the first counts. A route with an annotation of its own keeps it. An entry that covers no route stops the app at boot. For
   * Fastify.
   * @defaultValue none
   */
  routes: Type.Optional(Type.Array(RouteEntrySchema, {
    maxItems: 1_000,
    description: '[Annotations of routes that other plugins declare.](scopes.md)',
    expected: "an array such as [{ url: '/docs/*', permit: 'docs:read' }]",
    shownDefault: 'none'
  })),
  /**
   * Decides by URL mapping rules, where a route says `permit: 'url'`. In Express, a guard says `{ url: '/tasks/{id}' }`.
   * @defaultValue none: `permit: 'url'` stops the app at boot
   */
  urls: Type.Optional(Type.Union([UrlsSchema], {
    description: "[Decides by URL mapping rules](urls.md), where a route says `permit: 'url'`.",
    expected: "{ base: 'https://api.example.com', default? }",
    shownDefault: 'none'
  })),
  /**
   * Documents guarded routes when `@fastify/swagger` is registered. Adds error responses, `x-permit-resource` and `x-permit-action`. For
   * Fastify.
   * @defaultValue `true`
   */
  openapi: Type.Optional(Type.Boolean({
    default: true,
    description: '[Documents guarded routes](openapi.md) when `@fastify/swagger` is registered.',
    expected: 'true or false'
  }))
}, { additionalProperties: false })

export type AnyOptions = Static<typeof OptionsSchema>

/** The option `bus`, if it is an object with settings. */
export type BusOption = Static<typeof BusSchema>

/** Options whose types depend on the framework. */
type OfFramework = 'user' | 'tenant' | 'roles' | 'headers' | 'onDenied' | 'onDecision' | 'inspector' | 'routes'

/**
 * The options, for a framework whose request is `R`. Set exactly one of `pdp` and `policy`.
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 *
 * const app = Fastify()
 * await app.register(permit, {
 *   pdp: 'http://localhost:7766',
 *   token: process.env.PERMIT_API_KEY,
 *   tenant: request => request.headers['x-tenant'],
 *   cache: { ttl: 5_000 }
 * })
 * ```
 */
export type PermitOptions<R, Reply> = Omit<AnyOptions, OfFramework> & {
  /**
   * Headers of every request to the PDP. Or a function from the app's request to headers, for traces: a batch carries those of the first of
   * its requests that has some. Checks without a request, as `app.permit.check`, have none of the function.
   * @defaultValue none
   */
  headers?: Readonly<Record<string, string>> | HeadersFunction<R>
  /**
   * Returns the user of a request. `undefined` or `null` is 401. The user is a key, or `{ key, email?, attributes? }`. May be async.
   * @defaultValue `request => request.user?.sub`, as `@fastify/jwt` sets it
   */
  user?: UserOption<R>
  /**
   * Returns the tenant of a request, unless the annotation or the resource names one. May be async. `undefined` or `null` means `default`.
   * An empty string is rejected, because it is more likely a mistake.
   * @defaultValue `default`, for every request
   */
  tenant?: TenantOption<R>
  /**
   * Returns the roles of the user of a request, for apps that have them in a token and keep no users. A list has roles in the tenant that
   * the option `tenant` gives for the request (`default` without it); `{ [tenant]: roles }` has roles in several. May be async. They count
   * in addition to roles that are assigned, in checks, lists and conditions of that request. A role that the policy does not have, and one
   * in a tenant that does not exist, do not count. When the function throws, there is no decision: 503. With `policy` only.
   * @defaultValue assigned roles only
   * @example
   * ```ts
   * import Fastify from 'fastify'
   * import permit from 'fastify-permit'
   *
   * const app = Fastify()
   * await app.register(permit, {
   *   policy: './permit.yaml',
   *   user: request => request.headers['x-user']?.toString(),
   *   roles: request => request.headers['x-user'] === 'ann' ? ['admin'] : []
   * })
   * ```
   */
  roles?: RolesOption<R>
  /**
   * Replaces the 403 of a denied request with another response. It returns another error, or sends a reply itself.
   * @defaultValue the 403
   */
  onDenied?: OnDenied<R, Reply>
  /**
   * Called for every decision and every plan, after the response, for an audit trail. The decision is allowed, denied, or none; it
   * cannot be changed here. The first error of the function is logged.
   * @defaultValue none
   */
  onDecision?: OnDecision<R>
  /**
   * Annotations of routes that other plugins declare. For static files, proxies, documentation and metrics. `url` is the URL as declared,
   * including prefixes; with `/*` at its end, also of all routes below it. Of several entries that cover a route, the first counts. A route
   * with an annotation of its own keeps it. An entry that covers no route stops the app at boot. For Fastify.
   * @defaultValue none
   */
  routes?: ReadonlyArray<{ readonly url: string, readonly permit: Annotation<R> }>
  /**
   * A page that shows decisions while they are made. It is at `/_permit`. Without a guard, it answers requests from this machine only, and
   * the app does not start with `NODE_ENV=production`.
   * @defaultValue `false`
   */
  inspector?: boolean | InspectorOption<R>
}

/** The option `inspector`, if it is an object with settings. */
export type InspectorOption<R> = Omit<Static<typeof InspectorSchema>, 'guard'> & {
  /**
   * What a user must be allowed to do to see the page and its data. Required with `NODE_ENV=production`. Without it, only requests from
   * this machine see them. A requirement, as `config.permit` of a route.
   * @defaultValue none: only requests from this machine see them
   */
  guard?: Requirement<R> | RequirementFunction<R>
}

export const optionsChecker = checkerOf(OptionsSchema)
export const busChecker = checkerOf(BusSchema)
