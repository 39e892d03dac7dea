// The inspector's page. The build bundles it into one file.
import { render, type VNode } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { DecisionsView } from './decisions-view.js'
import { html } from './html.js'
import { LiveDecisions, type LiveState } from './live-decisions.js'
import './page.css'

function Page ({ live, listen }: { readonly live: LiveDecisions, readonly listen: (listener: (state: LiveState) => void) => void }): VNode {
  const [state, setState] = useState(live.state)
  useEffect(() => listen(setState), [])
  return html`
    <header><h1>fastify-permit inspector</h1></header>
    <main><${DecisionsView} live=${live} state=${state} /></main>`
}

let listener = (_state: LiveState): void => {}
const live = new LiveDecisions(state => listener(state))
render(html`<${Page} live=${live} listen=${(given: typeof listener) => { listener = given }} />`, document.body)
