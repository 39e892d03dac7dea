// The local PDP: an environment behind HTTP, put together in one place.
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import { authzenRoutes } from './decisions/authzen.js'
import { authzenSearchRoutes } from './decisions/authzen-search.js'
import { gatewayRoutes } from './decisions/gateways.js'
import { guardWithToken, isAuthzen, refuse, requestCheck } from './http/bearer.js'
import { decisionRoutes } from './decisions/decisions.js'
import { Failure, notFound, sendFailure } from './http/failures.js'
import { factRoutes } from './rest/facts/fact-routes.js'
import { healthRoutes, systemRoutes } from './decisions/health.js'
import { serverOptions } from './http/http-server.js'
import { SCOPE } from './rest/identity.js'
import { InFlight } from './http/in-flight.js'
import { refuseCrumbs } from './http/chunks.js'
import { parseJsonBodies } from './http/json-body.js'
import { methodsAt } from './http/methods.js'
import { checkWaitHeaders } from './http/wait-headers.js'
import { mount, type Mount } from './http/mount.js'
import { opaRoutes } from './decisions/opa.js'
import { openapiDocument } from './http/local-pdp-openapi.js'
import { checkLocalPdpOptions, type LocalPdpOptions } from './local-pdp-options.js'
import { Reports } from './reports.js'
import { schemaRoutes, setRuleRoutes } from './rest/schema/schema-routes.js'
import { scopeRoutes } from './rest/api-key-scope.js'
import type { Wire } from './http/route.js'
import { Environment } from '../environment/environment.js'

/** A local PDP: a Fastify app, not yet listening. */
export type LocalPdp = FastifyInstance & {
  readonly pdp: {
    /** Where OPA's path is served on a port of its own; `undefined` where it is not, or before the app is ready. */
    readonly opaUrl: string | undefined
  }
}

/** Bytes of a body. */
const BODY_LIMIT = 1024 * 1024

/** Characters of a key in a path. */
const MAX_PARAM_LENGTH = 2_048

/** An id of a request that is given back. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** Time for requests in flight when the app closes, ms. */
const CLOSE_TIMEOUT = 5_000

/** By id, and by the key that Permit gives to what is made first. */
const PROJECT: ReadonlySet<string> = new Set([SCOPE.project_id, 'default'])
const ENVIRONMENT: ReadonlySet<string> = new Set([SCOPE.environment_id, 'default'])

const healthMounts: readonly Mount[] = [{ tag: 'Health', wire: 'pdp', routes: healthRoutes }]

const opaMounts: readonly Mount[] = [{ tag: 'Decisions', wire: 'pdp', routes: opaRoutes }]

const facts = { tag: 'Facts', wire: 'api', routes: [...factRoutes, ...setRuleRoutes] } as const

const mounts: readonly Mount[] = [
  { tag: 'Decisions', wire: 'pdp', routes: [...decisionRoutes, ...gatewayRoutes, ...systemRoutes] },
  { tag: 'AuthZEN', wire: 'authzen', routes: [...authzenRoutes, ...authzenSearchRoutes] },
  { ...facts, prefix: '/facts' },
  { tag: 'Scope', wire: 'api', routes: scopeRoutes }
]

/** At addresses that name the environment. */
const environmentMounts: readonly Mount[] = [
  { ...facts, prefix: '/v2/facts/:project_id/:environment_id' },
  { tag: 'Schema', wire: 'api', prefix: '/v2/schema/:project_id/:environment_id', routes: schemaRoutes }
]

/**
 * A local PDP: Permit's PDP on this machine, by a policy file and an embedded database. It speaks the wire of Permit's PDP, AuthZEN 1.0,
 * and the part of Permit's REST API that writes facts and schema, so that Permit's SDKs work with it as they are. `GET /openapi.json`
 * describes it.
 *
 * It is a Fastify app: `await pdp.listen({ port: 7766 })`. Without a token it listens on the loopback only.
 *
 * @throws `OptionsError` when an option is wrong. `listen` and `ready` reject with `PolicyError` when the policy is.
 */
export function createLocalPdp (options: LocalPdpOptions = {}): LocalPdp {
  const checked = checkLocalPdpOptions(options)
  const { token, opa } = checked
  const app = createApp(checked)
  const inFlight = new InFlight(app)
  const parts: { opaUrl: string | undefined } = { opaUrl: undefined }

  app.register(async scope => {
    const { policy, data, watch, unknown, debug = true, userTypes, reportTo = [] } = checked
    const environment = await Environment.open({ policy, data, watch, unknown, log: scope.log })
    const served = { environment, debug, userTypes }
    const reports = new Reports(reportTo, scope.log)
    environment.onChange(change => reports.report(change))
    // What apps remember is of before this start: the facts may be others now.
    reports.report({ all: true })
    scope.addHook('onClose', async () => {
      // What was asked before the app began to close may still be written.
      await inFlight.drained(CLOSE_TIMEOUT)
      await reports.close()
      await environment.close()
    })
    mount(scope, served, healthMounts)
    scope.register(async guarded => {
      guardWithToken(guarded, token)
      checkWaitHeaders(guarded, '/facts/')
      mount(guarded, served, mounts)
      const all = [...healthMounts, ...mounts, ...environmentMounts]
      const document = openapiDocument(all, { secured: token !== undefined })
      const text = JSON.stringify(document)
      guarded.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(text))
      const methods = methodsAt(all)
      guarded.setNotFoundHandler((request, reply) => {
        const allowed = methods(request.url)
        if (allowed.length > 0) reply.header('allow', allowed.join(', '))
        return sendFailure(reply, wireOf(request.url), allowed.length > 0 ? new Failure(405, 'Method Not Allowed') : new Failure(404, 'Not Found'), request.log)
      })
      guarded.register(async inEnvironment => {
        inEnvironment.addHook('preValidation', async request => {
          const { project_id: project, environment_id: given } = request.params as Record<string, string>
          if (!PROJECT.has(project ?? '') || !ENVIRONMENT.has(given ?? '')) throw notFound(`environment '${given}' of project '${project}'`)
        })
        mount(inEnvironment, served, environmentMounts)
      })
    })
    if (opa !== undefined) {
      const opaApp = createApp(checked)
      guardWithToken(opaApp, token)
      mount(opaApp, served, opaMounts)
      scope.addHook('onClose', () => opaApp.close())
      scope.addHook('onReady', async () => { parts.opaUrl = await opaApp.listen({ host: '127.0.0.1', ...opa }) })
    }
  })

  return Object.assign(app, { pdp: parts })
}

function createApp ({ token, logger }: LocalPdpOptions): FastifyInstance {
  const check = requestCheck(token)
  const app = withLongParams({
    ...loggerOptions(logger),
    ...serverOptions(token === undefined),
    bodyLimit: BODY_LIMIT,
    // A path that cannot be decoded names nothing. Hooks do not see such a request.
    frameworkErrors: (_error, request, reply) => {
      const refusal = check(request as FastifyRequest)
      if (refusal === undefined) sendFailure(reply as FastifyReply, wireOf(request.url), new Failure(404, 'Not Found'), request.log)
      else refuse(reply as FastifyReply, refusal)
    }
  })
  app.setErrorHandler((error, request, reply) => sendFailure(reply, wireOf(request.url), error, request.log))
  parseJsonBodies(app)
  refuseCrumbs(app)
  // AuthZEN's way to find an answer in two logs.
  app.addHook('onRequest', (request, reply, done) => {
    const id = request.headers['x-request-id']
    if (typeof id === 'string' && REQUEST_ID.test(id)) reply.header('x-request-id', id)
    done()
  })
  closeInTime(app)
  return app
}

/** A Fastify for long keys in paths. */
function withLongParams (options: FastifyServerOptions): FastifyInstance {
  const app = Fastify({ ...options, routerOptions: { maxParamLength: MAX_PARAM_LENGTH } })
  // Before 5.5 Fastify took the options of its router among the others, and passed over this one without a word.
  return app.initialConfig.routerOptions === undefined ? Fastify({ ...options, maxParamLength: MAX_PARAM_LENGTH }) : app
}

/** Answers in flight may finish when the app closes, but nobody keeps the process by being slow, or by keeping a connection. */
function closeInTime (app: FastifyInstance): void {
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
    if (!app.server.listening) return
    const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT)
    app.server.once('close', () => clearTimeout(timer))
    timer.unref()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close')
    done(null, payload)
  })
}

function loggerOptions (logger: LocalPdpOptions['logger']): Pick<FastifyServerOptions, 'logger' | 'loggerInstance'> {
  if (typeof logger === 'object' && logger !== null && 'info' in logger) return { loggerInstance: logger as FastifyBaseLogger }
  return { logger: (logger ?? false) as FastifyServerOptions['logger'] }
}

/** In whose manners a request is answered that no route is there for. */
function wireOf (url: string): Wire {
  if (isAuthzen(url)) return 'authzen'
  return /^\/(facts|v2)(\/|$)/.test(url) ? 'api' : 'pdp'
}
