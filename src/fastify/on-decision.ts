// The option `onDecision` in Fastify: when a request has been answered.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AuditTrail } from '../observe/audit-trail.js'
import type { OnDecision } from './fastify-types.js'

/** An audit trail that hears of the answers of a scope. */
export function auditTrail (app: FastifyInstance, onDecision: OnDecision): AuditTrail<FastifyRequest> {
  const trail = new AuditTrail<FastifyRequest>(
    onDecision,
    error => app.log.error({ err: error }, 'permit: the option onDecision threw (logged once)'),
    // A WebSocket, as @fastify/websocket marks it, has no response, so that no hook tells of one.
    request => (request as { ws?: unknown }).ws !== true
  )
  app.addHook('onResponse', async request => trail.answered(request))
  // A client that goes away gets no response, and what was decided for it is told all the same.
  app.addHook('onRequestAbort', async request => trail.answered(request))
  return trail
}
