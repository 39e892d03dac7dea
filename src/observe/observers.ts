// The observers that options ask for, made of packages that are loaded only then.
import type { CheckObserver } from './observation.js'
import { OptionsError } from '../contract/errors.js'
import type { DecisionPointStats } from '../contract/point.js'
import type { MetricsOptions, OpenTelemetryOptions } from './telemetry-options.js'

export interface Observers {
  readonly list: readonly CheckObserver[]
  /** Begins to read counters for the metrics. */
  read (stats: () => DecisionPointStats): void
  close (): void
}

/**
 * Loads what the options need.
 * @throws {@link OptionsError} when it is not installed
 */
export async function openObservers (options: { readonly metrics: MetricsOptions | false, readonly openTelemetry: OpenTelemetryOptions | false }): Promise<Observers> {
  const list: CheckObserver[] = []
  let read = (_stats: () => DecisionPointStats): void => {}
  let close = (): void => {}
  if (options.metrics !== false) {
    const { default: client } = await load('metrics', 'prom-client', () => import('prom-client'))
    const { prometheus } = await import('./prometheus.js')
    const metrics = prometheus(client, options.metrics)
    list.push(metrics.observer)
    read = metrics.read
    close = metrics.close
  }
  if (options.openTelemetry !== false) {
    const api = await load('openTelemetry', '@opentelemetry/api', () => import('@opentelemetry/api'))
    const { openTelemetry } = await import('./opentelemetry.js')
    list.push(openTelemetry(api, options.openTelemetry))
  }
  return { list, read, close }
}

async function load<T> (option: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new OptionsError(`option "${option}" needs the package ${name}, which cannot be loaded: npm install ${name}`, { cause })
  }
}
