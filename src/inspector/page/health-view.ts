// Health: the counters of the last ten minutes as charts.
import { useEffect, useState } from 'preact/hooks'
import type { VNode } from 'preact'
import type { InspectorSample } from '../inspector-row.js'
import { askApp } from './ask-app.js'
import { Chart, type Point } from './chart.js'
import { html } from './html.js'

/** How often the page asks while this view is open, ms. */
const INTERVAL = 5_000
const TEN_MINUTES = 600_000

/** The view. */
export function HealthView (): VNode {
  const [samples, setSamples] = useState<readonly InspectorSample[] | 'loading' | 'failed'>('loading')
  useEffect(() => {
    const load = (): void => { askApp<readonly InspectorSample[]>('health').then(setSamples, () => setSamples('failed')) }
    load()
    const timer = setInterval(load, INTERVAL)
    return () => clearInterval(timer)
  }, [])
  return html`
    <section aria-labelledby="health-title">
      <div class="bar"><h2 id="health-title">Health</h2><p class="status">The last ten minutes of this process</p></div>
      ${samples === 'loading' && html`<p>Loading …</p>`}
      ${samples === 'failed' && html`<p class="warning" role="status">The app does not answer. The page asks again.</p>`}
      ${Array.isArray(samples) && html`<${Charts} samples=${samples} />`}
    </section>`
}

function Charts ({ samples }: { readonly samples: readonly InspectorSample[] }): VNode {
  const last = samples.at(-1)
  if (last === undefined) return html`<p>No sample yet.</p>`
  const range = { from: last.time - TEN_MINUTES, to: last.time }
  const moments = (value: (sample: InspectorSample) => number | undefined): Point[] =>
    samples.map(sample => ({ time: sample.time, value: value(sample) }))
  /** Of what happened between two samples. */
  const between = (value: (after: InspectorSample, before: InspectorSample, seconds: number) => number | undefined): Point[] =>
    samples.slice(1).flatMap((after, index) => {
      const before = samples[index] as InspectorSample
      const seconds = (after.time - before.time) / 1_000
      // The newest sample may be a moment after the one before.
      return seconds < 1 && samples.length > 2 ? [] : [{ time: after.time, value: value(after, before, Math.max(seconds, 0.001)) }]
    })
  const rate = (name: 'allowed' | 'denied' | 'failed'): Point[] =>
    between((after, before, seconds) => ((after.checks?.[name] ?? 0) - (before.checks?.[name] ?? 0)) / seconds)
  const { cache, batches, replicas = [], bus } = last
  return html`
    <div class="charts">
      <${Chart} ...${range} title="Checks" unit="/s" lines=${[
        { name: 'allowed', points: rate('allowed') },
        { name: 'denied', points: rate('denied') },
        { name: 'no decision', points: rate('failed') }
      ]} />
      ${cache !== undefined && html`
        <${Chart} ...${range} title="Cache hits" unit="%" max=${100} note=${`${cache.size} of ${cache.max} decisions kept`}
          lines=${[{ name: '', points: between(hitRatio) }]} />`}
      ${batches !== undefined && html`
        <${Chart} ...${range} title="Queue" unit="waiting" lines=${[{ name: '', points: moments(({ batches }) => batches?.waiting) }]} />
        <${Chart} ...${range} title="Batches" unit="checks each" lines=${[{ name: '', points: between(batchSize) }]} />`}
      ${replicas.map(({ url, state, inFlight }, index) => html`
        <${Chart} ...${range} title=${`PDP ${url}`} unit="ms" note=${`breaker ${state}, ${inFlight} in flight`}
          lines=${[{ name: 'latency', points: between((after, before) => latency(index, after, before)) }]} />
        <${Chart} ...${range} title=${`Failures of ${url}`} unit="/s" lines=${[{
          name: '',
          points: between(({ replicas: after }, { replicas: before }, seconds) =>
            growth(after?.[index]?.failures, before?.[index]?.failures) / seconds)
        }]} />`)}
      ${bus !== undefined && html`
        <${Chart} ...${range} title="Bus" unit="instances" note=${bus.up ? 'up' : 'away'} lines=${[
          { name: 'all', points: moments(({ bus }) => bus?.instances) }, { name: 'not heard', points: moments(({ bus }) => bus?.silent) }
        ]} />`}
    </div>`
}

function hitRatio ({ cache: after }: InspectorSample, { cache: before }: InspectorSample): number | undefined {
  const hits = growth(after?.hits, before?.hits)
  const all = hits + growth(after?.misses, before?.misses)
  return all === 0 ? undefined : 100 * hits / all
}

function batchSize ({ batches: after }: InspectorSample, { batches: before }: InspectorSample): number | undefined {
  const requests = growth(after?.requests, before?.requests)
  return requests === 0 ? undefined : growth(after?.checks, before?.checks) / requests
}

/** The mean of the requests that came to their end in between. */
function latency (index: number, { replicas: after }: InspectorSample, { replicas: before }: InspectorSample): number | undefined {
  const [now, then] = [after?.[index], before?.[index]]
  if (now === undefined || then === undefined) return undefined
  const ended = growth(now.requests - now.inFlight, then.requests - then.inFlight)
  return ended === 0 ? undefined : (now.busy - then.busy) / ended
}

function growth (after = 0, before = 0): number {
  return after - before
}
