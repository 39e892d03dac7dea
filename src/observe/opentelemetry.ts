// The option `openTelemetry`: a span for each question that goes to a PDP, and a histogram of all checks.
import type * as OpenTelemetry from '@opentelemetry/api'
import type { CheckObserver, CheckOutcome } from '../decision/observation.js'
import { PdpError, UnavailableError } from '../errors.js'
import type { Query } from '../pdp/point.js'
import type { OpenTelemetryOptions } from './options.js'

type Api = Pick<typeof OpenTelemetry, 'context' | 'trace' | 'metrics' | 'SpanKind' | 'SpanStatusCode'>

interface Begun { readonly context: OpenTelemetry.Context, readonly time: number }

const NAME = 'fastify-permit'

/** Seconds. */
const BOUNDARIES = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/**
 * Spans and metrics. Attributes are names out of the policy: action, resource type, result, source. Never who asked, about which
 * resource, or the value of an attribute.
 */
export function openTelemetry (api: Api, options: OpenTelemetryOptions): CheckObserver {
  const tracer = ((options.tracerProvider ?? api.trace) as OpenTelemetry.TracerProvider).getTracer(NAME)
  const duration = ((options.meterProvider ?? api.metrics) as OpenTelemetry.MeterProvider).getMeter(NAME).createHistogram('fastify_permit.check.duration', {
    description: 'How long checks took.', unit: 's', advice: { explicitBucketBoundaries: BOUNDARIES }
  })
  return {
    // The span of the request that asks is the active one now, and may not be at the end.
    started: (): Begun => ({ context: api.context.active(), time: Date.now() }),
    ended (query, outcome, _asker, begun) {
      const attributes = attributesOf(query, outcome)
      const at = begun as Begun | undefined
      duration.record(outcome.duration / 1000, attributes, at?.context)
      // What is at hand has no span: it takes less time than the span would.
      if (at === undefined || outcome.source === 'cache' || outcome.source === 'embedded') return
      const span = tracer.startSpan('permit.check', { kind: api.SpanKind.INTERNAL, startTime: at.time, attributes }, at.context)
      if (outcome.decision === undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: failureOf(outcome) })
      span.end(at.time + outcome.duration)
    }
  }
}

function attributesOf ({ action, resource }: Query, outcome: CheckOutcome): Record<string, string> {
  const attributes: Record<string, string> = {
    'permit.action': action,
    'permit.resource.type': resource.type,
    'permit.result': outcome.decision === undefined ? 'error' : outcome.decision.allow === true ? 'allow' : 'deny'
  }
  if (outcome.source !== undefined) attributes['permit.source'] = outcome.source
  // As OpenTelemetry's conventions name it.
  if (outcome.decision === undefined) attributes['error.type'] = failureOf(outcome)
  return attributes
}

function failureOf ({ error }: CheckOutcome): string {
  const cause = error instanceof UnavailableError ? error.cause : error
  return cause instanceof PdpError ? cause.failure : 'unknown'
}
