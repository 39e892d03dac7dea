// The inspector's page. The build bundles it into one file.
import { render, type VNode } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { DecisionsView } from './decisions-view.js'
import { html } from './html.js'
import { RoutesView } from './routes-view.js'
import { LiveDecisions, type LiveState } from './live-decisions.js'
import './page.css'

function Page ({ live, listen }: { readonly live: LiveDecisions, readonly listen: (listener: (state: LiveState) => void) => void }): VNode {
  const [state, setState] = useState(live.state)
  const [view, setView] = useState(location.hash)
  useEffect(() => {
    listen(setState)
    addEventListener('hashchange', () => setView(location.hash))
  }, [])
  const isRoutes = view === '#routes'
  return html`
    <header>
      <h1>fastify-permit inspector</h1>
      <nav aria-label="Views">
        <a href="#decisions" aria-current=${isRoutes ? null : 'page'}>Decisions</a>
        <a href="#routes" aria-current=${isRoutes ? 'page' : null}>Routes</a>
      </nav>
    </header>
    <main>${isRoutes ? html`<${RoutesView} />` : html`<${DecisionsView} live=${live} state=${state} />`}</main>`
}

let listener = (_state: LiveState): void => {}
const live = new LiveDecisions(state => listener(state))
render(html`<${Page} live=${live} listen=${(given: typeof listener) => { listener = given }} />`, document.body)
