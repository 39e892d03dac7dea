// The presets of the option `authzen`. Each is nothing but options, which an app could write itself.
import { OptionsError } from '../../contract/errors.js'
import type { AnyOptions } from './schema.js'

type AuthZenObject = Exclude<NonNullable<AnyOptions['authzen']>, string>

type PresetName = NonNullable<AuthZenObject['preset']>

/** Names to which OpenFGA gives a meaning: properties become parameters of conditions under these names. */
export const DEFAULT_RESERVED: readonly string[] = ['subject_*', 'resource_*', 'action_*']

const PRESETS: Readonly<Record<PresetName, Pick<AnyOptions, 'readiness'> & { readonly authzen: AuthZenObject }>> = {
  openfga: {
    readiness: '/healthz',
    authzen: {
      discovery: false,
      ids: 'encode',
      tenants: 'ids',
      types: { '*': '{type}:{tenant}/*' },
      longest: { subject: 512, resource: 256 },
      reserved: [...DEFAULT_RESERVED],
      cacheBuster: 'permit_cache_buster'
    }
  },
  cerbos: {
    readiness: '/_cerbos/health',
    authzen: { tenants: 'properties', plans: 'cerbos', reserved: ['cerbos.*'] }
  },
  permit: {
    readiness: '/healthy',
    authzen: { tenants: 'properties', reserved: [] }
  }
}

/** The header with the id of OpenFGA's authorization model. */
const MODEL_HEADER = 'openfga-authorization-model-id'

/** The options with those of the preset, and what the preset adds to URLs and headers. */
interface WithPreset {
  readonly options: AnyOptions
  readonly authzen: Omit<AuthZenObject, 'preset' | 'store' | 'model'>
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Fills in the options of the preset that are not given.
 * @throws `OptionsError`
 */
export function withPreset (options: AnyOptions): WithPreset {
  const given: AuthZenObject = typeof options.authzen === 'string' ? { preset: options.authzen } : options.authzen ?? {}
  const { preset, store, model, ...own } = given
  const extra = store === undefined ? model === undefined ? undefined : 'model' : 'store'
  if (extra !== undefined && preset !== 'openfga') {
    throw new OptionsError(`option "authzen.${extra}" is given without preset: 'openfga'; expected both`)
  }
  if (preset === undefined) return { options, authzen: own, path: '', headers: {} }
  const { readiness, authzen } = PRESETS[preset]
  return {
    options: { readiness, ...options },
    authzen: { ...authzen, ...own },
    path: store === undefined ? '' : `/stores/${store}`,
    headers: model === undefined ? {} : { [MODEL_HEADER]: model }
  }
}

/**
 * The URLs with the path of the preset.
 * @throws `OptionsError` when OpenFGA's store is not known
 */
export function withStore (urls: readonly URL[], name: string, path: string, preset: string | undefined): URL[] {
  if (preset !== 'openfga') return [...urls]
  return urls.map(url => {
    const has = /\/stores\/[^/]+\/*$/.test(url.pathname)
    if (url.protocol === 'unix:') {
      throw new OptionsError(`${name} is a Unix socket, which has no path for the store; expected the URL of OpenFGA's HTTP port`)
    }
    if (has === (path !== '')) {
      throw new OptionsError(has
        ? `option "authzen.store" is given, and ${name} has a store in its path; expected one of them`
        : `option "authzen.store" is missing; expected authzen: { preset: 'openfga', store: '01…' }, or ${name} with the path /stores/<id>`)
    }
    return path === '' ? url : new URL(url.pathname.replace(/\/+$/, '') + path, url)
  })
}
