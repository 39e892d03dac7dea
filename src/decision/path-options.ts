// The resolved options of the decision path: which PDP decides, and how it is reached.
import type { BusSettings } from '../bus/bus-target.js'
import type { Policy } from '../engine/policy/policy.js'
import type { MappingSettings } from '../pdp/authzen/mapping.js'
import type { WireDispatcher } from '../pdp/http/dispatcher.js'
import type { TlsSettings } from '../pdp/http/tls.js'
import type { TokenSource } from '../pdp/http/token.js'
import type { BreakerOptions, HedgeOptions } from '../pdp/http/transport.js'

/** The source of decisions. A PDP without `authzen` uses Permit's wire format. */
export type DecisionOrigin =
  | {
    readonly kind: 'pdp'
    /** One URL, or several of PDPs that are replicas. */
    readonly urls: readonly URL[]
    /** The names of the settings for the URL and the token, for messages: an option or an environment variable. */
    readonly named?: { readonly pdp: string, readonly token: string }
    readonly token: TokenSource | undefined
    readonly headers: Readonly<Record<string, string>> | undefined
    readonly tls: TlsSettings | undefined
    readonly http2: boolean
    /** A proxy's URL, or `false` for none; undefined: by the environment. */
    readonly proxy: string | false | undefined
    readonly dispatcher: WireDispatcher | undefined
    /** Settings for an AuthZEN PDP; undefined for Permit's PDP. */
    readonly authzen: AuthZenSettings | undefined
    readonly connections: number
    readonly queue: number
    readonly batch: number
    readonly factsTimeout: number
    readonly retries: number
    readonly breaker: BreakerOptions | false
    /** The path at which the PDP says whether it is ready, so that a denial counts; `false`: each denial counts. */
    readonly readiness: string | false
    readonly hedge: HedgeOptions | false
  }
  | { readonly kind: 'policy', readonly policy: string | Policy, readonly data?: string, readonly unknown?: 'permit' | 'deny' }

/** Settings for an AuthZEN PDP. */
interface AuthZenSettings {
  readonly discovery: boolean
  readonly mapping: MappingSettings
  readonly plans?: 'search' | 'cerbos' | undefined
  /** Asked at boot and by `health()`. */
  readonly probe?: { readonly action: string, readonly resource: string } | undefined
}

/** The path that receives update reports, and the secret that they must carry. */
export interface UpdatesEndpoint {
  readonly path: string
  readonly secret: string
}

/** The part of the resolved options that the decision path needs. */
export interface PathOptions {
  readonly origin: DecisionOrigin
  /** `ttl` and `staleIfError` in ms. */
  readonly cache: { readonly ttl: number, readonly max: number, readonly staleIfError?: number } | false
  /** Milliseconds. */
  readonly timeout: number
  /** The bus that sends invalidations to other instances; undefined without one. */
  readonly bus?: BusSettings
}
