// The option `openTelemetry`: spans for checks that go to a PDP, plans that are made and searches, and histograms of all of them.
import type * as OpenTelemetry from '@opentelemetry/api'
import type { CheckObserver, CheckOutcome, ListOutcome, ListQuestion } from './observation.js'
import { codeOf, pdpErrorOf } from '../contract/errors.js'
import { splitAtColon } from '../kit/split-at-colon.js'
import type { Query } from '../contract/point.js'
import { BATCH_SIZES, type OpenTelemetryOptions } from './telemetry-options.js'

type Api = Pick<typeof OpenTelemetry, 'context' | 'trace' | 'metrics' | 'SpanKind' | 'SpanStatusCode'>

interface Begun { readonly context: OpenTelemetry.Context, readonly span: OpenTelemetry.Span }

const NAME = 'fastify-permit'

/** Seconds. */
const BOUNDARIES = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

type Attributes = Record<string, string>

/**
 * Spans and metrics. Their attributes are action, resource type, result and source. They never contain the user, the resource's key or
 * attribute values.
 */
export function openTelemetry (api: Api, options: OpenTelemetryOptions): CheckObserver {
  const tracer = ((options.tracerProvider ?? api.trace) as OpenTelemetry.TracerProvider).getTracer(NAME)
  const meter = ((options.meterProvider ?? api.metrics) as OpenTelemetry.MeterProvider).getMeter(NAME)
  const duration = meter.createHistogram('fastify_permit.check.duration', {
    description: 'Duration of checks.', unit: 's', advice: { explicitBucketBoundaries: BOUNDARIES }
  })
  const listDuration = meter.createHistogram('fastify_permit.list.duration', {
    description: 'Duration of plans and searches.', unit: 's', advice: { explicitBucketBoundaries: BOUNDARIES }
  })
  const refusals = meter.createCounter('fastify_permit.guard.refusals', { description: 'Requests that the guard refused without a check.' })
  const batchSize = meter.createHistogram('fastify_permit.batch.size', {
    description: 'Number of checks in one request to the PDP.', unit: '{check}', advice: { explicitBucketBoundaries: [...BATCH_SIZES] }
  })
  const begin = (name: string, attributes: Attributes): Begun => {
    const parent = api.context.active()
    const span = tracer.startSpan(name, { kind: api.SpanKind.INTERNAL, attributes }, parent)
    return { context: api.trace.setSpan(parent, span), span }
  }
  return {
    // Cached decisions get no span: they take less time than the span would.
    started (query): Begun {
      return begin('permit.check', questionOf(query))
    },
    within (begun, ask) {
      if (begun !== undefined) api.context.with((begun as Begun).context, ask)
    },
    ended (query, outcome, _asker, begun) {
      const answer = answerOf(outcome)
      const { context, span } = begun as Begun | undefined ?? {}
      duration.record(outcome.duration / 1000, { ...questionOf(query), ...answer }, context)
      if (span === undefined) return
      span.setAttributes(answer)
      if (outcome.decision === undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: failureOf(outcome) })
      span.end()
    },
    refused ({ code }) {
      refusals.add(1, code === undefined ? {} : { 'permit.code': code })
    },
    listStarted (question): Begun {
      return begin(`permit.${question.kind}`, questionOfList(question))
    },
    listEnded (question, outcome, _asker, begun) {
      const answer = answerOfList(outcome)
      const { context, span } = begun as Begun | undefined ?? {}
      listDuration.record(outcome.duration / 1000, { 'permit.kind': question.kind, ...questionOfList(question), ...answer }, context)
      if (span === undefined) return
      span.setAttributes(answer)
      if (outcome.found !== undefined) span.setAttribute('permit.found', outcome.found)
      if (answer['error.type'] !== undefined) span.setStatus({ code: api.SpanStatusCode.ERROR, message: answer['error.type'] })
      span.end()
    },
    sent (checks) {
      batchSize.record(checks)
    }
  }
}

function questionOf ({ action, resource }: Query): Attributes {
  return { 'permit.action': action, 'permit.resource.type': resource.type }
}

function answerOf (outcome: CheckOutcome): Attributes {
  const attributes: Attributes = {
    'permit.result': outcome.decision === undefined ? 'error' : outcome.decision.allow === true ? 'allow' : 'deny'
  }
  if (outcome.source !== undefined) attributes['permit.source'] = outcome.source
  // Named as in OpenTelemetry's semantic conventions.
  if (outcome.decision === undefined) attributes['error.type'] = failureOf(outcome)
  return attributes
}

function questionOfList ({ action, resource }: ListQuestion): Attributes {
  return {
    ...(action === undefined ? {} : { 'permit.action': action }),
    ...(resource === undefined ? {} : { 'permit.resource.type': splitAtColon(resource).before })
  }
}

function answerOfList (outcome: ListOutcome): Attributes {
  const { rows, aborted, source } = outcome
  return {
    'permit.result': rows ?? (aborted === true ? 'aborted' : 'error'),
    ...(source === undefined ? {} : { 'permit.source': source }),
    ...(rows === undefined && aborted !== true ? { 'error.type': failureOf(outcome) } : {})
  }
}

function failureOf ({ error }: { readonly error?: unknown }): string {
  return pdpErrorOf(error)?.failure ?? codeOf(error) ?? 'unknown'
}
