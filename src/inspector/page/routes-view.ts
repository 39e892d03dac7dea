// The routes of the app and what protects each, open ones first.
import { useEffect, useState } from 'preact/hooks'
import type { VNode } from 'preact'
import type { InspectorAudit, InspectorRoute } from '../inspector-row.js'
import { askApp } from './ask-app.js'
import { html } from './html.js'

const PROTECTIONS = ['open', 'unknown', 'public', 'guarded'] as const
type Protection = typeof PROTECTIONS[number]

const WORDS: Readonly<Record<Protection, string>> = {
  open: 'open: it requires nothing',
  unknown: 'unknown: a guard may be around it, or it was declared before the plugin',
  public: 'public, as declared',
  guarded: 'guarded'
}

/** The classes of the style sheet. */
const COLOURS: Readonly<Record<Protection, string>> = { open: 'no', unknown: 'no', public: '', guarded: 'yes' }

const COLUMNS = ['Method', 'URL', 'Protection', 'Requires', 'Resource', 'Tenant', 'Guarded by']

/** What the app has answered: its routes, perhaps with a note, or a sentence in place of them. */
type Answer = readonly InspectorRoute[] | { readonly routes: readonly InspectorRoute[], readonly note: string } | string

const LOADING = Symbol('loading')
const FAILED = Symbol('failed')

/** The table of routes. */
export function RoutesView (): VNode {
  const [answer, setRoutes] = useState<Answer | typeof LOADING | typeof FAILED>(LOADING)
  const [filter, setFilter] = useState('')
  const routes = typeof answer !== 'object' ? undefined : 'note' in answer ? answer.routes : answer
  const load = (): void => { loadRoutes().then(setRoutes, () => setRoutes(FAILED)) }
  useEffect(load, [])
  const [{ user, tenant }, setCaller] = useState({ user: '', tenant: '' })
  const [audit, setAudit] = useState<InspectorAudit | null | undefined>(undefined)
  const set = (name: 'user' | 'tenant') => (event: Event) =>
    setCaller({ user, tenant, [name]: (event.target as HTMLInputElement).value })
  useEffect(() => {
    const timer = setTimeout(() => {
      askApp<InspectorAudit | null>('audit', { user, ...(tenant === '' ? {} : { tenant }) }).then(setAudit, () => {})
    }, PAUSE)
    return () => clearTimeout(timer)
  }, [user, tenant, answer])
  return html`
    <section aria-labelledby="routes-title">
      <div class="bar">
        <h2 id="routes-title">Routes</h2>
        <button type="button" onClick=${load}>Reload</button>
      </div>
      ${answer === LOADING && html`<p>Loading …</p>`}
      ${answer === FAILED && html`<p class="warning" role="status">The app did not tell its routes.</p>`}
      ${typeof answer === 'string' && html`<p>${answer}</p>`}
      ${routes !== undefined && html`
        ${typeof answer === 'object' && 'note' in answer && html`<p class="note">${answer.note}</p>`}
        ${audit === null && html`
          <p class="note">Who may call a route, and which permissions no route requires, is not known here: a PDP over the network does not
            tell its policy.</p>`}
        ${audit !== null && audit !== undefined && html`
          <form class="filters" aria-label="Caller" onSubmit=${(event: Event) => event.preventDefault()}>
            <label>Who may call it? User
              <input name="user" value=${user} onInput=${set('user')} autocomplete="off" spellcheck=${false} />
            </label>
            <label>In tenant
              <input name="tenant" value=${tenant} onInput=${set('tenant')} placeholder="default" autocomplete="off" spellcheck=${false} />
            </label>
            ${audit.problem !== undefined && html`<p class="warning" role="status">${audit.problem}</p>`}
          </form>
          <${Words} title="Permissions of routes that the policy does not have" words=${audit.unknown} warns />
          <${Words} title="Permissions of the policy that no route requires" words=${audit.unused} />`}
        <${Table} routes=${routes} filter=${filter} setFilter=${setFilter} may=${audit?.may} user=${user} />`}
    </section>`
}

/** How long a person may type before the app is asked, ms. */
const PAUSE = 150

interface WordsProps {
  readonly title: string
  readonly words: readonly string[]
  readonly warns?: boolean
}

function Words ({ title, words, warns = false }: WordsProps): VNode | null {
  if (words.length === 0) return null
  return html`<p class=${warns ? 'warning' : ''}><b>${title}:</b> ${words.join(', ')}</p>`
}

interface TableProps {
  /** What the chosen user holds; undefined without one. */
  readonly may: InspectorAudit['may']
  readonly user: string
  readonly routes: readonly InspectorRoute[]
  readonly filter: string
  readonly setFilter: (filter: string) => void
}

function Table ({ routes, filter, setFilter, may, user }: TableProps): VNode {
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
        <thead><tr>${COLUMNS.map(title => html`<th scope="col">${title}</th>`)}
          ${may !== undefined && html`<th scope="col">May ${user} call it?</th>`}</tr></thead>
        <tbody>${shown.map(({ route, protection }) => html`
          <tr>
            <td>${route.method}</td>
            <td>${route.url}</td>
            <td><span class=${`outcome ${COLOURS[protection]}`}>${WORDS[protection]}</span></td>
            <td>${route.permission ?? ''}</td>
            <td>${route.resource ?? ''}</td>
            <td>${route.tenant ?? ''}</td>
            <td>${route.guardedBy ?? ''}</td>
            ${may !== undefined && html`<td>${CALLS[callOf(route, protection, may)]}</td>`}
          </tr>`)}
        </tbody>
      </table>
    </div>`
}

const CALLS = { always: '✓ yes', depends: '~ depends on resource or context', never: '✗ no', function: '? a function decides' }

/** Whether a user may call a route: by the words of its requirement, such as `(task:list or task:create)`. */
function callOf ({ permission }: InspectorRoute, protection: Protection, may: NonNullable<InspectorAudit['may']>): keyof typeof CALLS {
  if (permission === null) return protection === 'unknown' ? 'function' : 'always'
  // Each method has its own.
  if (/function|\burl\b|[A-Z]+: /.test(permission)) return 'function'
  const tokens = permission.match(/[()]|[^\s()]+/g) ?? []
  const order = ['never', 'depends', 'always'] as const
  const part = (): number => {
    let value = one()
    let word: string | undefined
    while ((word = tokens[0]) === 'and' || word === 'or') {
      tokens.shift()
      const next = one()
      value = word === 'and' ? Math.min(value, next) : Math.max(value, next)
    }
    return value
  }
  const one = (): number => {
    const token = tokens.shift() ?? ''
    if (token !== '(') return order.indexOf(may[token] ?? 'never')
    const value = part()
    tokens.shift()
    return value
  }
  return order[part()] ?? 'never'
}

async function loadRoutes (): Promise<Answer> {
  const response = await fetch('routes')
  if (!response.ok) throw new Error(`status ${response.status}`)
  return await response.json() as Answer
}

function protectionOf ({ guardedBy, public: isPublic }: InspectorRoute): Protection {
  if (isPublic) return 'public'
  return guardedBy === null ? 'open' : guardedBy === 'unknown' ? 'unknown' : 'guarded'
}

function textOf (route: InspectorRoute, protection: Protection): string {
  return [route.method, route.url, route.permission, route.resource, WORDS[protection]].join(' ').toLowerCase()
}
