// The routes of an Express app as the inspector shows them: what Express tells of its layers, and the guards among them.
import type { Request } from 'express'
import { describeAnnotation } from '../guard/description.js'
import type { InspectorRoute } from '../inspector/inspector-row.js'
import { requirementOf } from './guard-requirements.js'
import { stackOf, type App } from './router-layers.js'
import { unshielded } from './wait-for-decision.js'

/** What is shown above the routes. */
export const EXPRESS_NOTE = 'Express does not tell where a router is mounted, which is shown as …, nor for which paths ' +
  'a middleware is used: a route after a guard in use(…) is unknown. Apps in the app, and guards that functions call, are not seen.'

/** The most layers that are read. */
const MAX_LAYERS = 10_000

interface Layer {
  readonly handle?: unknown
  readonly method?: unknown
  readonly route?: { readonly path?: unknown, readonly methods?: unknown, readonly stack?: unknown }
}

/** The routes, in the order in which they are declared. Empty for an app whose layers are not known. */
export function routesOfApp (app: App, hasTenantOption: boolean): InspectorRoute[] {
  const rows: InspectorRoute[] = []
  read(stackOf(app), '', { around: false, hasTenantOption, rows, left: MAX_LAYERS, inside: new Set() })
  return rows
}

interface Reading {
  /** Whether a guard stands before, for paths that are not known. */
  around: boolean
  readonly hasTenantOption: boolean
  readonly rows: InspectorRoute[]
  left: number
  readonly inside: Set<unknown>
}

function read (stack: unknown, prefix: string, reading: Reading): void {
  if (!Array.isArray(stack) || reading.inside.has(stack)) return
  reading.inside.add(stack)
  for (const { handle, route } of stack as Layer[]) {
    if (--reading.left < 0) break
    if (route !== undefined) {
      reading.rows.push(...rowsOf(route, prefix, reading))
      continue
    }
    const original = unshielded(handle)
    if (requirementOf(original) !== undefined) reading.around = true
    if (typeof original !== 'function') continue
    const { stack: inner } = original as { stack?: unknown }
    // A guard in a router ends with the router.
    const { around } = reading
    read(inner, `${prefix}…`, reading)
    reading.around = around
  }
  reading.inside.delete(stack)
}

/** More methods than this are those of `all(…)`. */
const MAX_METHODS = 10

/** A row for methods that require the same, because each may have guards of its own. */
function rowsOf (route: NonNullable<Layer['route']>, prefix: string, { around, hasTenantOption }: Reading): InspectorRoute[] {
  const layers = Array.isArray(route.stack) ? route.stack as Layer[] : []
  const methods = [...new Set(layers.map(({ method }) => typeof method === 'string' ? method.toUpperCase() : 'ALL'))]
  const url = prefix + [route.path].flat().map(String).join(', ')
  const rows = new Map<string, { readonly methods: string[], readonly row: Omit<InspectorRoute, 'method'> }>()
  for (const method of methods) {
    const own = layers.filter(layer => layer.method === undefined || String(layer.method).toUpperCase() === method)
    const described = own.flatMap(({ handle }) => requirementOf(unshielded(handle)) ?? [])
      .map(requirement => describeAnnotation<Request>(requirement, hasTenantOption))
    const permissions = described.flatMap(({ permissions }) => permissions)
    const listed = (texts: readonly string[]): string | null => described.length === 0 ? null : [...new Set(texts)].join(', ')
    const row = {
      url,
      permission: described.length === 0 ? null : described.map(({ text }) => text).join(' and '),
      permissions: [...new Set(permissions.flatMap(({ type, action }) => type === undefined ? [] : [`${type}:${action}`]))],
      resource: listed(permissions.map(({ resource }) => resource)),
      tenant: listed(permissions.map(({ tenant }) => tenant)),
      public: false,
      guardedBy: described.length > 0 ? 'guard' : around ? 'unknown' : null
    }
    const key = JSON.stringify(row)
    const same = rows.get(key)
    if (same === undefined) rows.set(key, { methods: [method], row })
    else same.methods.push(method)
  }
  return [...rows.values()].map(({ methods, row }) => ({ method: methods.length > MAX_METHODS ? 'ALL' : methods.join(','), ...row }))
}
