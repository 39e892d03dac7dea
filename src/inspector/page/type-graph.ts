// The graph of resource types: how they are linked, and by which links roles are derived. Types without links are not drawn.
import { useState } from 'preact/hooks'
import type { VNode } from 'preact'
import { shorten } from '../../kit/shorten.js'
import type { InspectorType } from '../inspector-row.js'
import { layersOf, nodesNear } from './graph-layers.js'
import { html } from './html.js'

/** The sizes of a box and of the space between boxes, px. */
const BOX = { width: 150, height: 30 }
const SIZE = { width: `${BOX.width}px`, height: `${BOX.height}px` }
const SPACE = { x: 110, y: 22 }

/** The most types that are drawn without being asked for, and the most at all, with their links. */
const MAX_AT_ONCE = 25
const MAX_DRAWN = 200
const MAX_LINKS = 1_000

/** The most links of a type that a screen reader says. The list below the drawing has all. */
const MAX_SAID = 10

/** The most characters of a relation beside its line. */
const MAX_LABEL = 24

const RANGES = { 1: 'next to it', 2: 'two steps around it', 0: 'all linked types' } as const

interface Link {
  readonly from: string
  readonly to: string
  readonly relation: string
  /** What the link derives, such as `owner gives editor`. */
  readonly derived: readonly string[]
}

interface Props {
  readonly types: readonly InspectorType[]
  readonly chosen: InspectorType
  readonly choose: (type: string) => void
}

/** The drawing. Each type is a button that chooses it; the links of the chosen type have their words. */
export function TypeGraph ({ types, chosen, choose }: Props): VNode | null {
  const links = types.flatMap(linksOf)
  const linked = new Set(links.flatMap(({ from, to }) => [from, to]))
  const [range, setRange] = useState<keyof typeof RANGES>(linked.size > MAX_AT_ONCE ? 2 : 0)
  const change = (event: Event): void => setRange(Number((event.target as HTMLSelectElement).value) as keyof typeof RANGES)
  if (links.length === 0) return html`<p class="note">No type of this policy is linked to another.</p>`
  const all = types.map(({ key }) => key).filter(key => linked.has(key))
  const drawn = range === 0 && all.length <= MAX_DRAWN ? all : nodesNear(all, links, chosen.key, range || Infinity, MAX_DRAWN)
  const layers = layersOf(drawn, links)
  const tallest = Math.max(0, ...layers.map(({ length }) => length))
  const places = new Map(layers.flatMap((layer, column) => layer.map((key, row) => [key, {
    x: 10 + column * (BOX.width + SPACE.x),
    y: 10 + (row + (tallest - layer.length) / 2) * (BOX.height + SPACE.y)
  }] as const)))
  const width = layers.length * (BOX.width + SPACE.x) - SPACE.x + 20
  const height = tallest * (BOX.height + SPACE.y) + 10
  const ofChosen = ({ from, to }: Link): boolean => from === chosen.key || to === chosen.key
  const between = links.filter(({ from, to }) => places.has(from) && places.has(to))
  const shown = between.length <= MAX_LINKS
    ? between
    : [...between.filter(ofChosen), ...between.filter(link => !ofChosen(link))].slice(0, MAX_LINKS)
  const linksLeftOut = shown.length < between.length ? `, ${shown.length} of ${between.length} links` : ''
  return html`
    <form class="filters" aria-label="Graph" onSubmit=${(event: Event) => event.preventDefault()}>
      <label>Draw
        <select name="range" value=${range} onChange=${change}>
          ${Object.entries(RANGES).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
        </select>
      </label>
      <p class="status">${drawn.length} of ${all.length} linked types${linksLeftOut}; a solid line derives roles</p>
    </form>
    <div class="scroll" tabindex="0" role="region" aria-label="Drawing of types">
      ${drawn.length === 0
        ? html`<p class="note">${chosen.key} is not linked to another type.</p>`
        : html`<div class="drawing" style=${{ width: `${width}px`, height: `${height}px` }}>
            <svg width=${width} height=${height} aria-hidden="true">
              ${shown.map(link => html`<${Line} link=${link} places=${places} chosen=${chosen.key} />`)}
            </svg>
            ${[...places].map(([key, { x, y }]) => html`
              <button type="button" key=${key} title=${key} aria-label=${wordsOf(key, shown)} aria-pressed=${key === chosen.key}
                style=${{ left: `${x}px`, top: `${y}px`, ...SIZE }} onClick=${() => choose(key)}>${key}</button>`)}
          </div>`}
    </div>`
}

interface Place {
  readonly x: number
  readonly y: number
}

interface LineProps {
  readonly link: Link
  readonly places: ReadonlyMap<string, Place>
  readonly chosen: string
}

function Line ({ link: { from, to, relation, derived }, places, chosen }: LineProps): VNode {
  const isChosen = from === chosen || to === chosen
  const [start, end] = [places.get(from), places.get(to)] as [Place, Place]
  const [x1, y1, x2, y2] = [start.x + BOX.width, start.y + BOX.height / 2, end.x, end.y + BOX.height / 2]
  // A link to the left, or of a type to itself, goes below the boxes.
  const isBack = x2 <= x1
  const d = isBack
    ? `M${x1 - 20} ${start.y + BOX.height}C${x1 + 30} ${y1 + 55} ${x2 - 30} ${y2 + 55} ${x2 + 20} ${end.y + BOX.height}`
    : `M${x1} ${y1}C${x1 + SPACE.x / 2} ${y1} ${x2 - SPACE.x / 2} ${y2} ${x2} ${y2}`
  return html`
    <g class=${isChosen ? 'of-chosen' : ''}>
      <path class=${derived.length > 0 ? 'derives' : ''} d=${d} />
      ${!isBack && html`<circle cx=${x2} cy=${y2} r="3" />`}
      ${isChosen && html`<text x=${(x1 + x2) / 2} y=${(y1 + y2) / 2 + (isBack ? 38 : -4)}>${shorten(relation, MAX_LABEL)}</text>`}
    </g>`
}

function linksOf ({ key, relations, derivations }: InspectorType): Link[] {
  return relations.map(({ relation, subject }) => ({
    from: subject,
    to: key,
    relation,
    derived: derivations
      .filter(({ relation: by, on }) => by === relation && on === subject)
      .map(({ role, from }) => `${from} gives ${role}`)
  }))
}

/** What a screen reader says of a type: its name, and what its links are. */
function wordsOf (key: string, links: readonly Link[]): string {
  const own = links.filter(({ to }) => to === key)
    .map(({ from, relation, derived }) => [`${from} is its ${relation}`, ...derived].join(', '))
  const more = own.length > MAX_SAID ? [`and ${own.length - MAX_SAID} more links`] : []
  return [key, ...own.slice(0, MAX_SAID), ...more].join('; ')
}
