// Somebody's app, loaded from its file and made ready, but not listening: to look at what it declares.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { LOOKERS, type RowsOf } from '../../fastify/looker.js'
import type { RouteRow } from '../../fastify/route-table.js'

/** What was found. */
export interface LoadedApp {
  /** The rows of every registration of the plugin in it; none registered is undefined. */
  readonly rows: readonly RouteRow[] | undefined
  /** Why the option `strict` kept it from starting. */
  readonly refusal: string | undefined
}

/** Where an app may be in its module, in this order. */
const EXPORTS = ['default', 'app', 'buildApp', 'build'] as const

/**
 * Loads a module whose export is an app, a function that makes one, or a plugin as fastify-cli starts it, waits until it is ready, and closes it.
 * @throws what keeps it from starting, but for the option `strict`: that is what is looked for
 */
export async function loadApp (file: string): Promise<LoadedApp> {
  const registrations: RowsOf[] = []
  // A symbol of the whole process: the app's fastify-permit may be another copy than this one.
  const lookers = globalThis as { [LOOKERS]?: RowsOf[] }
  lookers[LOOKERS] = registrations
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
    delete lookers[LOOKERS]
    await app?.close()
  }
}

/** @throws what the app's file throws; in words that help where Node could not even load it */
async function importOf (url: URL, file: string): Promise<Record<string, unknown>> {
  try {
    return await import(url.href) as Record<string, unknown>
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_MODULE_NOT_FOUND' && !existsSync(url)) throw new Error(`${file} is not there`, { cause: error })
    if (code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw error
    throw new Error(`Node cannot load ${file}; for TypeScript it needs a loader: NODE_OPTIONS=--import=tsx`, { cause: error })
  }
}

function exportOf (module: Record<string, unknown>, file: string): unknown {
  for (const name of EXPORTS) {
    const value = module[name]
    if (typeof value === 'function' || isApp(value)) return value
    // A CommonJS module is the default export of itself.
    if (name === 'default' && typeof value === 'object' && value !== null) {
      const inner = Object.entries(value as Record<string, unknown>).find(([key, value]) => (EXPORTS as readonly string[]).includes(key) && (typeof value === 'function' || isApp(value)))
      if (inner !== undefined) return inner[1]
    }
  }
  throw new Error(`${file} exports no app; expected a Fastify app, a function that makes one, or a plugin, as ${EXPORTS.join(', ')}`)
}

async function appOf (exported: unknown, url: URL): Promise<FastifyInstance> {
  if (isApp(exported)) return exported
  const make = exported as (...args: unknown[]) => unknown
  if (make.length === 0) {
    const made = await make()
    if (!isApp(made)) throw new Error('the function that the file exports made no Fastify app')
    return made
  }
  // Something with a parameter: a plugin, or a function that makes an app from options. Which one, its result tells.
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
  return typeof value === 'object' && value !== null && 'ready' in value && typeof value.ready === 'function' && 'inject' in value && typeof value.inject === 'function'
}
