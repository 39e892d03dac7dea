// The frameworks of the matrix: each serves the same routes, over a real socket.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { NextFunction, Request, Response } from 'express'
import Fastify from 'fastify'
import { guard, permit as expressPermit, type Annotation as ExpressAnnotation } from '../../src/express/index.js'
import type { Annotation } from '../../src/guard/annotation.js'
import type { Permit } from '../../src/app/app-permit.js'
import type { RequestPermit } from '../../src/app/request-permit.js'
import fastifyPermit, { type Annotation as FastifyAnnotation } from '../../src/index.js'
import { EXPRESSES, silentLog, type Express } from '../support/express.js'
import type { DecisionPointOptions } from './decision-points.js'

/** What the frameworks' requests have in common. */
export interface AnyRequest {
  readonly headers: IncomingHttpHeaders
  readonly params: unknown
  readonly permit: RequestPermit
}

export interface MatrixRoute {
  readonly path: string
  readonly requires: Annotation<AnyRequest>
  handle (request: AnyRequest): Promise<unknown>
}

export interface MatrixOptions extends DecisionPointOptions {
  readonly user: (request: AnyRequest) => string | undefined
  readonly tenant: (request: AnyRequest) => string | undefined
}

export interface StartedApp {
  readonly url: string
  readonly permit: Permit
  close (): Promise<void>
}

export interface FrameworkColumn {
  readonly name: string
  start (options: MatrixOptions, routes: readonly MatrixRoute[]): Promise<StartedApp>
}

const fastify: FrameworkColumn = {
  name: 'Fastify',
  async start (options, routes) {
    const app = Fastify()
    await app.register(fastifyPermit, options as never)
    for (const { path, requires, handle } of routes) {
      app.get(path, { config: { permit: requires as FastifyAnnotation } }, request => handle(request as never))
    }
    return { url: await app.listen({ port: 0, host: '127.0.0.1' }), permit: app.permit, close: () => app.close() }
  }
}

function expressColumn (name: string, express: Express): FrameworkColumn {
  return {
    name,
    async start (options, routes) {
      const app = express()
      const authz = expressPermit({ ...options as object, log: silentLog().log })
      app.use(authz)
      for (const { path, requires, handle } of routes) {
        const answer = (request: Request, response: Response, next: NextFunction) => {
          handle(request as never).then(result => { response.json(result) }, next)
        }
        if (requires === false) app.get(path, answer)
        else app.get(path, guard(requires as ExpressAnnotation), answer)
      }
      app.use((error: Error & { status?: number, code?: string, headers?: Record<string, string> }, _request: Request, response: Response, _next: NextFunction) => {
        const { status = 500, code, message, headers = {} } = error
        response.status(status).set(headers).json({ statusCode: status, code, message })
      })
      const server = authz.closeWith(createServer(app).listen(0, '127.0.0.1'))
      await once(server, 'listening')
      return {
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        permit: authz.permit,
        async close () {
          server.close()
          server.closeAllConnections()
          await authz.close()
        }
      }
    }
  }
}

export const FRAMEWORKS: readonly FrameworkColumn[] = [fastify, ...EXPRESSES.map(([name, express]) => expressColumn(name, express))]
