// Creates the observers for the options `metrics` and `openTelemetry`, whose packages are loaded only when needed.
import type { CheckObserver } from './observation.js'
import { OptionsError } from '../contract/errors.js'
import type { DecisionPointStats } from '../contract/point.js'
import type { MetricsOptions, OpenTelemetryOptions } from './telemetry-options.js'

interface TelemetryOptions {
  readonly metrics: MetricsOptions | false
  readonly openTelemetry: OpenTelemetryOptions | false
}

export interface Observers {
  readonly list: readonly CheckObserver[]
  /** Starts reading counters for the metrics. */
  read (stats: () => DecisionPointStats): void
  close (): void
}

/**
 * Loads the packages that the options need.
 * @throws {@link OptionsError} when a package is not installed
 */
export async function openObservers (options: TelemetryOptions): Promise<Observers> {
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
    throw new OptionsError(`option "${option}" requires the package ${name}, which cannot be loaded. Run: npm install ${name}`, { cause })
  }
}
