// Creates the local PDP: a Fastify app that serves an environment over HTTP.
import Fastify, {
  type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions
} from 'fastify'
import { authzenRoutes } from './decisions/authzen.js'
import { authzenSearchRoutes } from './decisions/authzen-search.js'
import { gatewayRoutes } from './decisions/gateways.js'
import { guardWithToken, isAuthzen, refuse, requestCheck } from './http/bearer.js'
import { planRoutes } from './decisions/plan-route.js'
import { searchRoutes } from './decisions/search-route.js'
import { decisionRoutes } from './decisions/decisions.js'
import { Failure, notFound, sendFailure } from './http/error-responses.js'
import { factRoutes } from './rest/facts/fact-routes.js'
import { healthRoutes, systemRoutes } from './decisions/health.js'
import { serverOptions } from './http/http-server.js'
import { InFlight } from './http/in-flight.js'
import { refuseCrumbs } from './http/chunk-limit.js'
import { parseJsonBodies } from './http/json-body.js'
import { methodsAt } from './http/method-not-allowed.js'
import { checkWaitHeaders } from './http/wait-headers.js'
import { mount, type Mount } from './http/mount.js'
import { opaRoutes } from './decisions/opa.js'
import { openapiDocument } from './http/local-pdp-openapi.js'
import { checkLocalPdpOptions, type LocalPdpOptions } from './local-pdp-options.js'
import { Reports } from './send-update-reports.js'
import { schemaRoutes, setRuleRoutes } from './rest/schema/schema-routes.js'
import { scopeRoutes } from './rest/api-key-scope.js'
import { accountRoutes, ENVIRONMENT, PROJECT } from './rest/account.js'
import { proxyConfigRoutes } from './rest/schema/proxy-configs.js'
import { notSupported } from './rest/not-supported.js'
import type { Wire } from './http/route.js'
import { Environment } from '../environment/environment.js'

/** A local PDP: a Fastify app that does not listen yet. */
export type LocalPdp = FastifyInstance & {
  readonly pdp: {
    /** The URL of OPA's route on its own port; `undefined` without the option `opa`, or before the app is ready. */
    readonly opaUrl: string | undefined
  }
}

/** The most bytes of a body. */
const BODY_LIMIT = 1024 * 1024

/** The most characters of a key in a path. */
const MAX_PARAM_LENGTH = 2_048

/** A valid `x-request-id`, which is returned in the answer. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** How long requests in flight may take when the app closes, ms. */
const CLOSE_TIMEOUT = 5_000

const healthMounts: readonly Mount[] = [{ tag: 'Health', wire: 'pdp', routes: healthRoutes }]

const opaMounts: readonly Mount[] = [{ tag: 'Decisions', wire: 'pdp', routes: opaRoutes }]

const facts = { tag: 'Facts', wire: 'api', routes: [...factRoutes, ...setRuleRoutes, ...proxyConfigRoutes] } as const

const mounts: readonly Mount[] = [
  { tag: 'Decisions', wire: 'pdp', routes: [...decisionRoutes, ...planRoutes, ...searchRoutes, ...gatewayRoutes, ...systemRoutes] },
  { tag: 'AuthZEN', wire: 'authzen', routes: [...authzenRoutes, ...authzenSearchRoutes] },
  { ...facts, prefix: '/facts' },
  { tag: 'Scope', wire: 'api', routes: [...scopeRoutes, ...accountRoutes] }
]

/** Routes whose paths name the project and the environment. */
const environmentMounts: readonly Mount[] = [
  { ...facts, prefix: '/v2/facts/:project_id/:environment_id' },
  { tag: 'Schema', wire: 'api', prefix: '/v2/schema/:project_id/:environment_id', routes: schemaRoutes }
]

/**
 * Creates a local PDP: Permit's PDP on this machine, with a policy file and an embedded database. It implements the API of Permit's PDP,
 * AuthZEN 1.0, and the part of Permit's REST API that writes facts and schema, so that Permit's SDKs work with it unchanged.
 * `GET /openapi.json` describes the API.
 *
 * The result is a Fastify app: `await pdp.listen({ port: 7766 })`. Without a token it listens only on the loopback.
 *
 * @throws `OptionsError` when an option is wrong. `listen` and `ready` reject with `PolicyError` when the policy is invalid.
 *
 * @example
 * ```ts
 * import { createLocalPdp } from 'fastify-permit/pdp'
 *
 * const pdp = createLocalPdp({ policy: './permit.yaml' })
 * await pdp.listen({ port: 7766 })
 * ```
 */
export function createLocalPdp (options: LocalPdpOptions = {}): LocalPdp {
  const checked = checkLocalPdpOptions(options)
  const { token, opa } = checked
  const app = createApp(checked)
  const inFlight = new InFlight(app)
  const parts: { opaUrl: string | undefined } = { opaUrl: undefined }

  app.register(async scope => {
    const { policy, data, watch, unknown, debug = true, userTypes, reportTo = [], inspector = false } = checked
    const environment = await Environment.open({ policy, data, watch, unknown, log: scope.log })
    // Loaded here, because most local PDPs have none.
    const openWatch = async () => {
      if (inspector === false) return undefined
      const { inspectLocalPdp } = await import('./http/inspect-local-pdp.js')
      return inspectLocalPdp(scope, environment, { token, attributes: inspector !== true && inspector.attributes === true })
    }
    const served = { environment, debug, userTypes, watch: await openWatch() }
    const reports = new Reports(reportTo, scope.log)
    environment.onChange(change => reports.report(change))
    // Facts may have changed since the last run, so apps must drop their cached decisions.
    reports.report({ all: true })
    scope.addHook('onClose', async () => {
      // Requests that arrived before may still write.
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
      const missing = notSupported()
      guarded.setNotFoundHandler((request, reply) => {
        const what = missing(request.method, request.url)
        if (what !== undefined) return sendFailure(reply, 'api', new Failure(501, what), request.log)
        const allowed = methods(request.url)
        if (allowed.length > 0) reply.header('allow', allowed.join(', '))
        const failure = allowed.length > 0 ? new Failure(405, 'Method Not Allowed') : new Failure(404, 'Not Found')
        return sendFailure(reply, wireOf(request.url), failure, request.log)
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

function createApp ({ token, logger, inspector = false }: LocalPdpOptions): FastifyInstance {
  const check = requestCheck(token)
  const app = withLongParams({
    ...loggerOptions(logger),
    ...serverOptions(token === undefined ? 'no token' : inspector === false ? undefined : 'inspector'),
    bodyLimit: BODY_LIMIT,
    // A path that cannot be decoded matches no route. Hooks do not run for such a request, so the token is checked here.
    frameworkErrors: (_error, request, reply) => {
      const refusal = check(request as FastifyRequest)
      if (refusal === undefined) sendFailure(reply as FastifyReply, wireOf(request.url), new Failure(404, 'Not Found'), request.log)
      else refuse(reply as FastifyReply, refusal)
    }
  })
  app.setErrorHandler((error, request, reply) => sendFailure(reply, wireOf(request.url), error, request.log))
  parseJsonBodies(app)
  refuseCrumbs(app)
  // AuthZEN 1.0: the id connects the logs of client and PDP.
  app.addHook('onRequest', (request, reply, done) => {
    const id = request.headers['x-request-id']
    if (typeof id === 'string' && REQUEST_ID.test(id)) reply.header('x-request-id', id)
    done()
  })
  closeInTime(app)
  return app
}

/** Creates a Fastify app that accepts long keys in paths. */
function withLongParams (options: FastifyServerOptions): FastifyInstance {
  const app = Fastify({ ...options, routerOptions: { maxParamLength: MAX_PARAM_LENGTH } })
  // Fastify before 5.5 ignores `routerOptions`, and expects the option at the top level.
  return app.initialConfig.routerOptions === undefined ? Fastify({ ...options, maxParamLength: MAX_PARAM_LENGTH }) : app
}

/** Lets answers in flight finish when the app closes, but closes slow and idle connections after a while. */
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

/** The format of the answer to a request without a matching route. */
function wireOf (url: string): Wire {
  if (isAuthzen(url)) return 'authzen'
  return /^\/(facts|v2)(\/|$)/.test(url) ? 'api' : 'pdp'
}
