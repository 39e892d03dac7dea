// The inspector's page. The build bundles it into one file.
import { render, type VNode } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { DecisionsView } from './decisions-view.js'
import { HealthView } from './health-view.js'
import { html } from './html.js'
import { PolicyView } from './policy-view.js'
import { RoutesView } from './routes-view.js'
import { WhyView } from './why-view.js'
import { LiveDecisions, type LiveState } from './live-decisions.js'
import './page.css'

const VIEWS = [
  { hash: '#decisions', title: 'Decisions' }, { hash: '#why', title: 'Why?' }, { hash: '#routes', title: 'Routes' },
  { hash: '#policy', title: 'Policy' }, { hash: '#health', title: 'Health' }
]

function Page ({ live, listen }: { readonly live: LiveDecisions, readonly listen: (listener: (state: LiveState) => void) => void }): VNode {
  const [state, setState] = useState(live.state)
  const [view, setView] = useState(location.hash)
  useEffect(() => {
    listen(setState)
    addEventListener('hashchange', () => setView(location.hash))
  }, [])
  const current = VIEWS.find(({ hash }) => view.split('?')[0] === hash)?.hash ?? '#decisions'
  return html`
    <header>
      <h1>fastify-permit inspector</h1>
      <nav aria-label="Views">
        ${VIEWS.map(({ hash, title }) => html`<a href=${hash} aria-current=${hash === current ? 'page' : null}>${title}</a>`)}
      </nav>
    </header>
    <main>
      ${current === '#decisions' && html`<${DecisionsView} live=${live} state=${state} />`}
      ${current === '#why' && html`<${WhyView} key=${view} rows=${live.state.rows} />`}
      ${current === '#policy' && html`<${PolicyView} />`}
      ${current === '#health' && html`<${HealthView} />`}
      ${current === '#routes' && html`<${RoutesView} />`}
    </main>`
}

let listener = (_state: LiveState): void => {}
const live = new LiveDecisions(state => listener(state))
render(html`<${Page} live=${live} listen=${(given: typeof listener) => { listener = given }} />`, document.body)
