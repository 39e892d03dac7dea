// A line chart as SVG, a few elements: its colours are those of the page, and a screen reader hears its figures.
import type { VNode } from 'preact'
import { html } from './html.js'

/** A value at a time, ms; undefined where there is none. */
export interface Point { readonly time: number, readonly value: number | undefined }

interface Props {
  readonly title: string
  readonly unit: string
  readonly lines: ReadonlyArray<{ readonly name: string, readonly points: readonly Point[] }>
  /** The times of the left and the right edge. */
  readonly from: number
  readonly to: number
  /** The top of the scale; default: the largest value. */
  readonly max?: number
  /** What else is to say, such as the state of a breaker. */
  readonly note?: string
}

const WIDTH = 300
const HEIGHT = 80

/** The chart, with the newest value of each line. */
export function Chart ({ title, unit, lines, from, to, max, note }: Props): VNode {
  const values = lines.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []))
  const top = max ?? (Math.max(0, ...values) || 1)
  const newest = lines.map(({ name, points }) => `${name === '' ? '' : `${name} `}${shown(points.at(-1)?.value)} ${unit}`).join(', ')
  const words = values.length === 0 ? 'no value yet' : `now ${newest}; highest ${shown(Math.max(...values))} ${unit}`
  return html`
    <figure>
      <figcaption><b>${title}</b> ${newest}${note === undefined ? '' : html` <span class="note">${note}</span>`}</figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`${title}: ${words}`}>
        <line class="ground" x1="0" x2=${WIDTH} y1=${HEIGHT - 1} y2=${HEIGHT - 1} />
        ${lines.map(({ points }, index) => pathsOf(points, from, to, top).map(d => html`<path class=${`line-${index}`} d=${d} />`))}
      </svg>
      <p class="scale"><span>10 minutes</span><span>top: ${shown(top)} ${unit}</span><span>now</span></p>
    </figure>`
}

/** One path for each run of values without a gap. */
function pathsOf (points: readonly Point[], from: number, to: number, top: number): string[] {
  const paths: string[] = []
  let path = ''
  for (const { time, value } of points) {
    if (value === undefined) {
      if (path !== '') paths.push(path)
      path = ''
      continue
    }
    const x = (time - from) / (to - from) * WIDTH
    const y = (HEIGHT - 2) * (1 - Math.min(1, value / top)) + 1
    // A single value is a short line.
    path += path === '' ? `M${(x - 1).toFixed(1)} ${y.toFixed(1)}L${x.toFixed(1)} ${y.toFixed(1)}` : `L${x.toFixed(1)} ${y.toFixed(1)}`
  }
  return path === '' ? paths : [...paths, path]
}

function shown (value: number | undefined): string {
  if (value === undefined) return '–'
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(value < 10 ? 2 : 1)
}
