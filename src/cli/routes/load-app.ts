// Loads an app from its file and makes it ready, without listening, to read the routes that it declares.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { ROUTE_TABLES, type RowsOf } from '../../fastify/share-route-table.js'
import type { RouteRow } from '../../fastify/route-table.js'
import { isRecord } from '../../kit/is-record.js'

/** The routes of an app. */
export interface LoadedApp {
  /** The rows of all registrations of the plugin; undefined when it is not registered. */
  readonly rows: readonly RouteRow[] | undefined
  /** The error message when the option `strict` prevented the start. */
  readonly refusal: string | undefined
}

/** Names of exports that may be an app, in this order. */
const EXPORTS = ['default', 'app', 'buildApp', 'build'] as const

/**
 * Loads a module that exports an app, a function that creates one, or a plugin as for fastify-cli, waits until it is ready, and closes it.
 *
 * @throws the error that prevents the start, except the one of the option `strict`
 */
export async function loadApp (file: string): Promise<LoadedApp> {
  const registrations: RowsOf[] = []
  // A global symbol, because the app may load another copy of fastify-permit.
  const tables = globalThis as { [ROUTE_TABLES]?: RowsOf[] }
  tables[ROUTE_TABLES] = registrations
  let app: FastifyInstance | undefined
  try {
    const url = pathToFileURL(resolve(file))
    app = await appOf(exportOf(await importOf(url, file), file), url)
    let refusal: string | undefined
    try {
      await app.ready()
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'FST_PERMIT_UNDECLARED')) throw error
      refusal = error.message
    }
    return { rows: registrations.length === 0 ? undefined : registrations.flatMap(rows => rows()), refusal }
  } finally {
    delete tables[ROUTE_TABLES]
    await app?.close()
  }
}

/** @throws the error of the module; with a hint when Node cannot load it */
async function importOf (url: URL, file: string): Promise<Record<string, unknown>> {
  try {
    return await import(url.href) as Record<string, unknown>
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_MODULE_NOT_FOUND' && !existsSync(url)) throw new Error(`${file} does not exist`, { cause: error })
    if (code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error
    throw new Error(`Node cannot load ${file}; for TypeScript, set a loader: NODE_OPTIONS=--import=tsx`, { cause: error })
  }
}

function exportOf (module: Record<string, unknown>, file: string): unknown {
  for (const name of EXPORTS) {
    const value = module[name]
    if (typeof value === 'function' || isApp(value)) return value
    // A CommonJS module has its exports as default export.
    if (name === 'default' && typeof value === 'object' && value !== null) {
      const inner = Object.entries(value as Record<string, unknown>)
        .find(([key, value]) => (EXPORTS as readonly string[]).includes(key) && (typeof value === 'function' || isApp(value)))
      if (inner !== undefined) return inner[1]
    }
  }
  throw new Error(`${file} exports no app; export a Fastify app, a function that creates one, or a plugin, as ${EXPORTS.join(', ')}`)
}

async function appOf (exported: unknown, url: URL): Promise<FastifyInstance> {
  if (isApp(exported)) return exported
  const make = exported as (...args: unknown[]) => unknown
  if (make.length === 0) {
    const made = await make()
    if (!isApp(made)) throw new Error('the exported function did not return a Fastify app')
    return made
  }
  // A function with a parameter is a plugin, or creates an app from options. The result shows which.
  const { default: fastify } = await import(pathToFileURL(createRequire(url).resolve('fastify')).href) as { default: () => FastifyInstance }
  const app = fastify()
  let made: unknown
  if (isMadeForFastify(make) || make.length > 1) {
    app.register(make as unknown as FastifyPluginAsync)
  } else {
    app.register(async scope => { made = await make(scope) })
    await app.after()
  }
  if (!isApp(made)) return app
  await app.close()
  return made
}

function isMadeForFastify (plugin: object): boolean {
  return Symbol.for('skip-override') in plugin || Symbol.for('plugin-meta') in plugin
}

function isApp (value: unknown): value is FastifyInstance {
  return isRecord(value) && typeof value['ready'] === 'function' && typeof value['inject'] === 'function'
}
