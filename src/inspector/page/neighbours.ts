// A drawing of one thing with what is next to it: what leads to it on the left, what it leads to on the right.
import type { VNode } from 'preact'
import { html } from './html.js'

/** A neighbour and what links it. */
export interface Neighbour {
  readonly name: string
  readonly label: string
}

interface Props {
  readonly title: string
  readonly center: string
  readonly left: readonly Neighbour[]
  readonly right: readonly Neighbour[]
  /** Called with a neighbour's name; a drawing without it has no buttons. */
  readonly choose?: (name: string) => void
}

/** The drawing. Neighbours are buttons, so that one can go on from there. */
export function Neighbours ({ title, center, left, right, choose }: Props): VNode {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${title}>
      <div class="graph">
        <${Side} neighbours=${left} choose=${choose} />
        <${Edges} count=${left.length} isLeft />
        <b class="center">${center}</b>
        <${Edges} count=${right.length} />
        <${Side} neighbours=${right} choose=${choose} />
      </div>
    </div>`
}

function Side ({ neighbours, choose }: Pick<Props, 'choose'> & { readonly neighbours: readonly Neighbour[] }): VNode {
  if (neighbours.length === 0) return html`<p class="note">nothing</p>`
  return html`
    <ul>${neighbours.map(({ name, label }) => html`
      <li>${choose === undefined ? html`<b>${name}</b>` : html`<button type="button" onClick=${() => choose(name)}>${name}</button>`}
        <span class="note">${label}</span></li>`)}
    </ul>`
}

function Edges ({ count, isLeft = false }: { readonly count: number, readonly isLeft?: boolean }): VNode {
  const lines = Array.from({ length: count }, (_, index) => (index + 0.5) / count * 100)
  return html`
    <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
      ${lines.map(y => html`<line x1="0" x2="100" y1=${isLeft ? y : 50} y2=${isLeft ? 50 : y} />`)}
    </svg>`
}
