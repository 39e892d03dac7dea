// Which of the app's `permit(…)` is in charge of a request: that of the Express app that handles it now, else of the one around it.
import { OptionsError } from '../contract/errors.js'
import type { Enforcement } from '../guard/enforce.js'
import type { Request } from 'express'
import type { Log } from './log.js'
import type { OnDenied } from './express-types.js'

/** One `permit(…)`, as far as guards are concerned. */
export interface Scope {
  readonly enforcement: Enforcement<Request>
  readonly log: Log
  readonly onDenied?: OnDenied
}

/** That a request has come through a `permit(…)`, and in which app. The last one first. */
interface Entry {
  readonly scope: Scope
  readonly app: ParentApp | undefined
  readonly before: Entry | undefined
}

interface ParentApp { readonly parent?: ParentApp }

/** A symbol that only this file knows: what is in charge of a request is not for the request, or other middleware, to say. */
const ENTRIES = Symbol('fastify-permit.scopes')

interface Carrier { [ENTRIES]?: Entry, app?: ParentApp }

/**
 * Puts a scope in charge, for as long as the request is in this app and those mounted in it. Express puts `req.app` back
 * when a mounted app passes a request on, so that its options are not taken along.
 * @throws `OptionsError` when another one is in charge of the very same app: which of them would be meant by a guard could not be told.
 */
export function enter (request: object, scope: Scope): void {
  const carrier: Carrier = request
  const before = carrier[ENTRIES]
  const { app } = carrier
  const here = find(before, app)
  if (here?.scope === scope) return
  if (here !== undefined) {
    throw new OptionsError('a request has come through two different permit(…) of one app: which one decides could not be told. Use one for each app, mount an app of its own for the other, or use its own guard: authz.guard(…)')
  }
  carrier[ENTRIES] = { scope, app, before }
}

/** The scope in charge of a request, if there is one. */
export function scopeOf (request: object): Scope | undefined {
  const { [ENTRIES]: last, app } = request as Carrier
  if (last === undefined) return undefined
  // Nearly always the first look is enough.
  if (last.app === app) return last.scope
  for (let around: ParentApp | undefined = app; around !== undefined; around = around.parent) {
    const entry = find(last, around)
    if (entry !== undefined) return entry.scope
  }
  return undefined
}

/** Whether another scope, or none, may be in charge of the request later: it is in a mounted app, which may pass it on. */
export function mayChange (request: object): boolean {
  const { [ENTRIES]: last, app } = request as Carrier
  return last?.before !== undefined || app?.parent !== undefined
}

function find (last: Entry | undefined, app: ParentApp | undefined): Entry | undefined {
  let entry = last
  while (entry !== undefined && entry.app !== app) entry = entry.before
  return entry
}
