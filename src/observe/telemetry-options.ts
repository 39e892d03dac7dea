// What the options for metrics and spans take, in shapes of our own: whoever uses neither needs neither package, not even for its types.

/** Where the histograms of batch sizes have their borders: up to the largest batch that the options allow. */
export const BATCH_SIZES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

/** What the option `metrics` takes, beside `true`. */
export interface MetricsOptions {
  /** Where the metrics are registered: a `Registry` of prom-client. Default: prom-client's own. */
  readonly register?: { getSingleMetric (name: string): unknown }
  /**
   * What their names begin with.
   * @defaultValue `fastify_permit_`
   */
  readonly prefix?: string
}

/** What the option `openTelemetry` takes, beside `true`. */
export interface OpenTelemetryOptions {
  /** Where spans go: a `TracerProvider`. Default: the global one. */
  readonly tracerProvider?: { getTracer (name: string): unknown }
  /** Where metrics go: a `MeterProvider`. Default: the global one. */
  readonly meterProvider?: { getMeter (name: string): unknown }
}
