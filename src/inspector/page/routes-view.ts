// The routes of the app and what protects each, open ones first.
import { useEffect, useState } from 'preact/hooks'
import type { VNode } from 'preact'
import type { InspectorRoute } from '../inspector-row.js'
import { html } from './html.js'

const PROTECTIONS = ['open', 'unknown', 'public', 'guarded'] as const
type Protection = typeof PROTECTIONS[number]

const WORDS: Readonly<Record<Protection, string>> = {
  open: 'open: it requires nothing',
  unknown: 'unknown: it was declared before the plugin',
  public: 'public, as declared',
  guarded: 'guarded'
}

/** The classes of the style sheet. */
const COLOURS: Readonly<Record<Protection, string>> = { open: 'no', unknown: 'no', public: '', guarded: 'yes' }

const COLUMNS = ['Method', 'URL', 'Protection', 'Requires', 'Resource', 'Tenant', 'Guarded by']

/** What the app has answered; null when its framework does not tell the routes. */
type Answer = readonly InspectorRoute[] | null | 'loading' | 'failed'

/** The table of routes. */
export function RoutesView (): VNode {
  const [routes, setRoutes] = useState<Answer>('loading')
  const [filter, setFilter] = useState('')
  const load = (): void => { loadRoutes().then(setRoutes, () => setRoutes('failed')) }
  useEffect(load, [])
  return html`
    <section aria-labelledby="routes-title">
      <div class="bar">
        <h2 id="routes-title">Routes</h2>
        <button type="button" onClick=${load}>Reload</button>
      </div>
      ${routes === 'loading' && html`<p>Loading …</p>`}
      ${routes === 'failed' && html`<p class="warning" role="status">The app did not tell its routes.</p>`}
      ${routes === null && html`<p>Express does not tell which routes there are.</p>`}
      ${Array.isArray(routes) && html`<${Table} routes=${routes} filter=${filter} setFilter=${setFilter} />`}
    </section>`
}

interface TableProps {
  readonly routes: readonly InspectorRoute[]
  readonly filter: string
  readonly setFilter: (filter: string) => void
}

function Table ({ routes, filter, setFilter }: TableProps): VNode {
  const shown = routes
    .map(route => ({ route, protection: protectionOf(route) }))
    .filter(({ route, protection }) => textOf(route, protection).includes(filter.toLowerCase()))
    .toSorted((a, b) => PROTECTIONS.indexOf(a.protection) - PROTECTIONS.indexOf(b.protection))
  return html`
    <form class="filters" aria-label="Filters" onSubmit=${(event: Event) => event.preventDefault()}>
      <label>Search
        <input type="search" value=${filter} onInput=${(event: Event) => setFilter((event.target as HTMLInputElement).value)} />
      </label>
      <p class="status">${shown.length} of ${routes.length} routes</p>
    </form>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of routes">
      <table>
        <thead><tr>${COLUMNS.map(title => html`<th scope="col">${title}</th>`)}</tr></thead>
        <tbody>${shown.map(({ route, protection }) => html`
          <tr>
            <td>${route.method}</td>
            <td>${route.url}</td>
            <td><span class=${`outcome ${COLOURS[protection]}`}>${WORDS[protection]}</span></td>
            <td>${route.permission ?? ''}</td>
            <td>${route.resource ?? ''}</td>
            <td>${route.tenant ?? ''}</td>
            <td>${route.guardedBy ?? ''}</td>
          </tr>`)}
        </tbody>
      </table>
    </div>`
}

async function loadRoutes (): Promise<readonly InspectorRoute[] | null> {
  const response = await fetch('routes')
  if (!response.ok) throw new Error(`status ${response.status}`)
  return await response.json() as readonly InspectorRoute[] | null
}

function protectionOf ({ guardedBy, public: isPublic }: InspectorRoute): Protection {
  if (isPublic) return 'public'
  return guardedBy === null ? 'open' : guardedBy === 'unknown' ? 'unknown' : 'guarded'
}

function textOf (route: InspectorRoute, protection: Protection): string {
  return [route.method, route.url, route.permission, route.resource, WORDS[protection]].join(' ').toLowerCase()
}
