// The module of NestJS: opens the plugin when the app starts, guards the handlers of controllers, resolvers and gateways, and closes the
// plugin with the app.
import type { ServerResponse } from 'node:http'
import { ConfigurableModuleBuilder, Logger, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common'
import { APP_INTERCEPTOR, ModulesContainer } from '@nestjs/core'
import { Permit as PermitService } from '../app/app-permit.js'
import { prepare, type Opening, type OpeningLog } from '../app/open-plugin.js'
import { AnnotationError, OptionsError } from '../contract/errors.js'
import { NO_URLS } from '../guard/url-query.js'
import { RequestCaller } from '../guard/caller.js'
import { asksUrl, compileNamed, type CompiledAnnotation } from '../guard/compile-annotation.js'
import { describeAnnotation, type DescribedPermission } from '../guard/description.js'
import { AuditTrail } from '../observe/audit-trail.js'
import { addGuard, handlersOf, nameOf, requireGuardsOfResolvers, undeclaredHandlers, type Handler, type HandlerKind } from './handlers.js'
import { KnownCheck, NestGuard, PassedCheck, requestBehind, type GuardParts } from './nest-guard.js'
import { printable } from '../kit/printable.js'
import type { NestRequest, NotInNest, PermitModuleOptions } from './nest-types.js'
import { PERMIT } from './permit-decorators.js'

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<PermitModuleOptions>()
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createPermitOptions')
  .setExtras({}, definition => ({ ...definition, global: true }))
  .build()

/**
 * Guards the handlers of all controllers, on both adapters. `forRoot(options)` has the options of the plugin, and `forRootAsync()` has them
 * by `useFactory`, `useClass` or `useExisting`, as other modules do. The module is global.
 *
 * @throws when the app is created: `OptionsError`, `PolicyFileError` or `AnnotationError`
 * @example
 * ```ts
 * import { Module } from '@nestjs/common'
 * import { PermitModule } from 'fastify-permit/nest'
 *
 * class AppModule {}
 * const authz = PermitModule.forRoot({ policy: './permit.yaml', user: request => request.headers['x-user']?.toString() })
 * Module({ imports: [authz] })(AppModule)
 * ```
 */
export class PermitModule extends ConfigurableModuleClass {}

/** The opened plugin, and its end. NestJS calls the hooks of a provider whatever has created it. */
class OpenedPermit implements OnModuleInit, OnApplicationShutdown {
  constructor (
    readonly service: PermitService,
    private readonly opening: Opening<NestRequest, unknown>,
    private readonly checkResolvers: () => void,
    private readonly unguard: () => void,
    readonly passed: PassedCheck
  ) {}

  onModuleInit (): void {
    this.checkResolvers()
  }

  async onApplicationShutdown (): Promise<void> {
    this.unguard()
    await this.opening.close()
  }
}

/** What the options of the plugin have, but not those of the module. */
const NOT_IN_NEST: Readonly<Record<Exclude<NotInNest, 'strict'>, string>> = {
  inspector: 'register the plugin in the adapter of Fastify or Express',
  openapi: 'decorate the handlers for @nestjs/swagger',
  routes: 'use @Permit',
  urls: 'use @Permit',
  updates: 'register the plugin in the adapter of Fastify or Express',
  onDenied: 'use an exception filter'
}

async function openPermit (given: PermitModuleOptions, modules: ModulesContainer): Promise<OpenedPermit> {
  const { strict = false, ...options } = given
  if (typeof strict !== 'boolean') throw new OptionsError('option "strict" cannot be used; expected true or false in NestJS')
  for (const [name, instead] of Object.entries(NOT_IN_NEST)) {
    if (name in options) throw new OptionsError(`option "${name}" is given; it is not for NestJS: ${instead}`)
  }
  const log = logOfNest()
  const awaited = new WeakMap<object, ServerResponse>()
  const logged = new WeakSet<object>()
  const prepared = prepare<NestRequest, unknown>(options, {
    env: process.env,
    log,
    // The request of Fastify's adapter has the one of Node inside.
    caller: request => new RequestCaller((request as { raw?: never }).raw ?? request as never, idOf(request)),
    requestId: idOf,
    response: request => awaited.get(request),
    logOf: () => log,
    quiet: (_request, error) => { logged.add(error) }
  })
  const opening = prepared.around(await prepared.load())
  const { enforcement, checks, writer, observation, options: { onDecision } } = opening
  const reportError = (error: unknown): void => log.error({ err: error }, 'permit: the option onDecision threw (logged once)')
  const trail = onDecision === undefined
    ? undefined
    : new AuditTrail<NestRequest>(onDecision, reportError, request => awaited.has(request))
  if (trail !== undefined) observation.add(trail)

  const handlers = handlersOf(modules)
  const undeclared = strict ? undeclaredHandlers(handlers) : undefined
  if (undeclared !== undefined) throw undeclared
  const required = compileAll(handlers, opening)
  const passed = new WeakMap<object, object>()
  const requirementOf: GuardParts['requirementOf'] = (kind, type, handler) => required[kind].get(type)?.get(handler)
  const wsException = handlers.some(({ kind }) => kind === 'ws') ? await loadWsException() : undefined
  const known = new KnownCheck(requirementOf, new Set(handlers.map(({ type }) => type)))
  const unguard = addGuard(handlers, new NestGuard({ enforcement, log, trail, awaited, passed, requirementOf, wsException }), known)
  try {
    await opening.open()
  } catch (error) {
    unguard()
    throw error
  }
  await checkPermissions(handlers, opening, log)
  const checkResolvers = (): void => requireGuardsOfResolvers(modules, handlers, strict)
  return new OpenedPermit(new PermitService(checks, writer), opening, checkResolvers, unguard, new PassedCheck(passed, known, logged))
}

/** Of one kind, by class and function: a function may be inherited by several classes that require different things. */
type Requirements = Map<object, Map<object, CompiledAnnotation<NestRequest> | 'nothing'>>

function compileAll (
  handlers: readonly Handler[], { enforcement: { tenant } }: Opening<NestRequest, unknown>
): Record<HandlerKind, Requirements> {
  const all: Record<HandlerKind, Requirements> = { http: new Map(), graphql: new Map(), ws: new Map(), rpc: new Map() }
  const tenantOfField: typeof tenant = tenant === undefined ? undefined : field => tenant(requestBehind(field))
  for (const { kind, type, name, method, required } of handlers) {
    const ofType = all[kind].get(type) ?? new Map<object, CompiledAnnotation<NestRequest> | 'nothing'>()
    all[kind].set(type, ofType)
    const title = `@Permit of ${nameOf(type, name)}`
    const tenantOption = kind === 'graphql' ? tenantOfField : tenant
    const compiled = required === undefined ? 'nothing' : compileNamed<NestRequest>(title, required.value, tenantOption)
    if (compiled !== 'nothing' && compiled.kind !== 'public' && asksUrl(compiled)) throw new AnnotationError(`${title}: ${NO_URLS}`)
    if (kind !== 'http' && compiled !== 'nothing' && compiled.kind === 'methods') {
      throw new AnnotationError(`${title}: it has a requirement for each HTTP method, which only a handler of a controller can have`)
    }
    ofType.set(method, compiled)
  }
  return all
}

/** Gateways send no other exception to the client. The package is the app's own. */
async function loadWsException (): Promise<GuardParts['wsException']> {
  const name: string = '@nestjs/websockets'
  const { WsException } = await import(name) as { readonly WsException: GuardParts['wsException'] }
  return WsException
}

/**
 * Warns of permissions that the embedded policy does not have, so that no user can have them, and asks another PDP about the first
 * permission.
 */
async function checkPermissions (
  handlers: readonly Handler[], opening: Opening<NestRequest, unknown>, log: OpeningLog
): Promise<void> {
  const all: DescribedPermission[] = []
  for (const { type, name, required } of handlers) {
    if (required === undefined || required.value === false) continue
    const { permissions } = describeAnnotation(required.value, opening.enforcement.tenant !== undefined)
    opening.requireAskable(`@Permit of ${nameOf(type, name)}`, permissions)
    all.push(...permissions)
    for (const permission of permissions) {
      if (permission.type === undefined) continue
      const sentence = await opening.unknownWord(permission.type, permission.action)
      if (sentence === undefined) continue
      log.warn({}, `permit: ${nameOf(type, name)} requires '${permission.type}:${permission.action}', which no user can have: ${sentence}`)
    }
  }
  await opening.probeWith(all)
}

function idOf (request: NestRequest): string | undefined {
  const { id } = request as { id?: unknown }
  return typeof id === 'string' ? id : undefined
}

/** Logs by NestJS's logger, which the app may have replaced. */
function logOfNest (): OpeningLog {
  const logger = new Logger('Permit')
  const text = (details: object, message: string): string => {
    const { permit, err } = details as { permit?: unknown, err?: unknown }
    if (err instanceof Error) return printable(`${message}: ${err.message}`)
    return permit === undefined ? message : printable(`${message} ${JSON.stringify(permit)}`)
  }
  return {
    debug: (details, message) => logger.debug(text(details, message)),
    info: (details, message) => logger.log(text(details, message)),
    warn: (details, message) => logger.warn(text(details, message)),
    error: (details, message) => logger.error(text(details, message), (details as { err?: Error }).err?.stack)
  }
}

const OPENED = Symbol('fastify-permit.opened')

Module({
  providers: [
    { provide: OPENED, useFactory: openPermit, inject: [MODULE_OPTIONS_TOKEN, ModulesContainer] },
    { provide: PERMIT, useFactory: ({ service }: OpenedPermit) => service, inject: [OPENED] },
    { provide: APP_INTERCEPTOR, useFactory: ({ passed }: OpenedPermit) => passed, inject: [OPENED] }
  ],
  exports: [PERMIT]
})(PermitModule)
