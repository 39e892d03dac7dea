// Calls the option `onDecision` in Fastify after a request was answered.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AuditTrail } from '../observe/audit-trail.js'
import type { OnDecision } from './fastify-types.js'

/** An audit trail of a scope. */
export function auditTrail (app: FastifyInstance, onDecision: OnDecision): AuditTrail<FastifyRequest> {
  const trail = new AuditTrail<FastifyRequest>(
    onDecision,
    error => app.log.error({ err: error }, 'permit: the option onDecision threw (logged once)'),
    // A WebSocket, as @fastify/websocket marks it, has no response, so no hook runs at its end.
    request => (request as { ws?: unknown }).ws !== true
  )
  app.addHook('onResponse', async request => trail.answered(request))
  // A client that disconnects gets no response, but its decisions are reported, too.
  app.addHook('onRequestAbort', async request => trail.answered(request))
  return trail
}
