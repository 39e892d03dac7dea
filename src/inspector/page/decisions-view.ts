// The table of decisions with its filters, and the details of one.
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { VNode } from 'preact'
import type { InspectorAnswer, InspectorRow } from '../inspector-row.js'
import { askApp } from './ask-app.js'
import { Answer } from './answer-view.js'
import { CHOICES, isShown, NO_FILTER, TEXT_FILTERS, type DecisionFilter } from './decision-filter.js'
import { html } from './html.js'
import type { LiveDecisions, LiveState } from './live-decisions.js'

/** The most rows in the table at a time: more make the browser slow, and nobody reads them. */
const MAX_SHOWN = 200

const COLUMNS = ['Time', 'User', 'Action', 'Resource', 'Tenant', 'Decision', 'Reason', 'Source', 'ms', 'Route']

const EMPTY = 'No decision yet. Send a request to the app.'

const OUTCOMES = { yes: 'allowed', no: 'denied', none: 'no decision' }

interface Props {
  readonly live: LiveDecisions
  readonly state: LiveState
}

/** The page's main part. */
export function DecisionsView ({ live, state }: Props): VNode {
  const [filter, setFilter] = useState<DecisionFilter>(NO_FILTER)
  const [chosen, setChosen] = useState<InspectorRow | undefined>(undefined)
  const rows = useMemo(() => state.rows.filter(row => isShown(row, filter)), [state.rows, filter])
  const set = (name: keyof DecisionFilter) => (event: Event) =>
    setFilter({ ...filter, [name]: (event.target as HTMLInputElement | HTMLSelectElement).value })
  return html`
    <section aria-labelledby="decisions-title">
      <div class="bar">
        <h2 id="decisions-title">Decisions</h2>
        <button type="button" onClick=${() => live.pause(!state.paused)}>${state.paused ? 'Continue' : 'Pause'}</button>
        <button type="button" onClick=${() => { live.clear(); setChosen(undefined) }}>Clear</button>
        <${Status} state=${state} shown=${rows.length} />
      </div>
      <form class="filters" aria-label="Filters" onSubmit=${(event: Event) => event.preventDefault()}>
        ${TEXT_FILTERS.map(name => html`
          <label>${titleOf(name)}
            <input type="search" name=${name} value=${filter[name]} onInput=${set(name)} autocomplete="off" spellcheck=${false} />
          </label>`)}
        <label>Decision
          <select name="outcome" value=${filter.outcome} onChange=${set('outcome')}>
            <option value="">all</option>
            ${CHOICES.outcome.map(outcome => html`<option value=${outcome}>${OUTCOMES[outcome]}</option>`)}
          </select>
        </label>
        <label>Source
          <select name="source" value=${filter.source} onChange=${set('source')}>
            <option value="">all</option>
            ${CHOICES.source.map(source => html`<option value=${source}>${source}</option>`)}
          </select>
        </label>
        <button type="button" disabled=${filter === NO_FILTER} onClick=${() => setFilter(NO_FILTER)}>Reset filters</button>
      </form>
      ${chosen !== undefined && html`<${Details} row=${chosen} close=${() => setChosen(undefined)} />`}
      <div class="scroll" tabindex="0" role="region" aria-label="Table of decisions">
        <table>
          <thead><tr>${COLUMNS.map(title => html`<th scope="col">${title}</th>`)}</tr></thead>
          <tbody>${rows.slice(0, MAX_SHOWN).map(row => html`
            <${Row} key=${row.id} row=${row} isChosen=${row.id === chosen?.id} choose=${setChosen} />`)}
          </tbody>
        </table>
      </div>
      ${rows.length === 0 && html`<p>${state.rows.length === 0 ? EMPTY : 'No decision matches the filters.'}</p>`}
      ${rows.length > MAX_SHOWN && html`<p>The newest ${MAX_SHOWN} of ${rows.length} are shown. Use the filters to find others.</p>`}
    </section>`
}

interface StatusProps {
  readonly state: LiveState
  readonly shown: number
}

function Status ({ state: { connection, paused, waiting, lost, rows }, shown }: StatusProps): VNode {
  const texts = {
    connecting: 'Connecting to the app …',
    live: paused ? `Paused: ${waiting} new` : `${shown} of ${rows.length} decisions`,
    refused: 'The app refuses to show decisions. Next attempt in 5 seconds.'
  }
  return html`
    <p class="status" data-connection=${connection}>${texts[connection]}</p>
    ${lost > 0 && html`<p class="warning" role="status">This browser was too slow: ${lost} decisions are missing.</p>`}`
}

interface RowProps {
  readonly row: InspectorRow
  readonly isChosen: boolean
  readonly choose: (row: InspectorRow) => void
}

function Row ({ row, isChosen, choose }: RowProps): VNode {
  return html`
    <tr class=${isChosen ? 'chosen' : ''}>
      <td><button type="button" class="link" title="Details of this decision" onClick=${() => choose(row)}>${timeOf(row)}</button></td>
      <td>${row.user}</td>
      <td>${row.kind === 'check' ? row.action : `${KINDS[row.kind]}${row.action}`}</td>
      <td>${row.resource}</td>
      <td>${row.tenant}</td>
      <td><${Outcome} row=${row} /></td>
      <td>${row.failure ?? row.code ?? ''}</td>
      <td>${row.source ?? ''}</td>
      <td class="number">${msOf(row.duration)}</td>
      <td>${row.route ?? ''}</td>
    </tr>`
}

function Outcome ({ row: { outcome, rows, found } }: { readonly row: InspectorRow }): VNode {
  const more = found !== undefined ? `: ${found} found` : rows === 'some' ? ': some rows' : ''
  return html`<span class=${`outcome ${outcome}`}>${OUTCOMES[outcome]}${more}</span>`
}

function Details ({ row, close }: { readonly row: InspectorRow, readonly close: () => void }): VNode {
  const [answer, setAnswer] = useState<InspectorAnswer | null | 'loading' | 'failed'>('loading')
  useEffect(() => {
    let isChosen = true
    const show = (answer: InspectorAnswer | null | 'failed'): void => { if (isChosen) setAnswer(answer) }
    setAnswer('loading')
    if (row.kind === 'plan') show(null)
    else askApp<InspectorAnswer | null>('decision', { id: row.id }).then(show, () => show('failed'))
    return () => { isChosen = false }
  }, [row])
  const entries: Array<[string, unknown]> = [
    ['User', row.user], ['Action', row.action], ['Resource', row.resource], ['Tenant', row.tenant], ['Decision', OUTCOMES[row.outcome]],
    ['Rows', row.rows], ['Found', row.found], ['Code', row.code], ['Reason', row.reason], ['Failure', row.failure], ['Source', row.source],
    ['Duration', `${row.duration.toFixed(3)} ms`], ['Time', new Date(row.time).toISOString()], ['Route', row.route],
    ['Attributes and context', row.values]
  ]
  return html`
    <section class="details" aria-label="Details of the decision">
      <button type="button" onClick=${close}>Close details</button>
      <dl>${entries.filter(([, value]) => value !== undefined).map(([name, value]) => html`
        <div><dt>${name}</dt><dd>${value}</dd></div>`)}
      </dl>
      ${answer === 'loading' && html`<p>Asking why …</p>`}
      ${answer === 'failed' && html`<p class="warning">The app did not answer why.</p>`}
      ${answer === null && row.kind === 'check' && html`<p>The question is too large, or too old, to be kept.</p>`}
      ${typeof answer === 'object' && answer !== null && html`
        ${answer.outcome !== row.outcome && html`
          <p class="warning">The answer now is: ${OUTCOMES[answer.outcome]}. Policy, facts or the PDP have changed since.</p>`}
        <${Answer} answer=${answer} isMade />`}
    </section>`
}

const KINDS = {
  plan: 'list: ', searchResources: 'resources: ', searchActions: 'actions', searchUsers: 'users: ', tenants: 'tenants '
} as const satisfies Record<Exclude<InspectorRow['kind'], 'check'>, string>

function titleOf (name: string): string {
  return `${name[0]?.toUpperCase()}${name.slice(1)}`
}

function timeOf ({ time }: InspectorRow): string {
  return new Date(time).toLocaleTimeString('en-GB') + `.${String(time % 1_000).padStart(3, '0')}`
}

function msOf (duration: number): string {
  return duration < 10 ? duration.toFixed(2) : duration.toFixed(0)
}
