// The types of the options `metrics` and `openTelemetry`, independent of both packages, which are optional.

/** The buckets of the batch size histograms, up to the largest batch that the options allow. */
export const BATCH_SIZES: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

/** The option `metrics`, if it is an object. */
export interface MetricsOptions {
  /**
   * The registry for the metrics: a `Registry` of `prom-client`.
   * @defaultValue prom-client's default registry
   */
  readonly register?: { getSingleMetric (name: string): unknown }
  /**
   * The prefix of the metrics' names.
   * @defaultValue `fastify_permit_`
   */
  readonly prefix?: string
}

/** The option `openTelemetry`, if it is an object. */
export interface OpenTelemetryOptions {
  /**
   * The provider for spans.
   * @defaultValue the global provider
   */
  readonly tracerProvider?: { getTracer (name: string): unknown }
  /**
   * The provider for metrics.
   * @defaultValue the global provider
   */
  readonly meterProvider?: { getMeter (name: string): unknown }
}
