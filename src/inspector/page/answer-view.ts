// An answer: the whole question, the decision with its tree, what would make it a yes, and the lines to copy.
import { useState } from 'preact/hooks'
import type { VNode } from 'preact'
import { printable } from '../../kit/printable.js'
import type { InspectorAnswer, InspectorBranch, InspectorQuestion } from '../inspector-row.js'
import { html } from './html.js'
import { LINES, type LinesKind } from './test-lines.js'

const OUTCOMES = { yes: 'allowed', no: 'denied', none: 'no decision' }

interface Props {
  readonly answer: InspectorAnswer
  /** Whether it is about a decision of the table, whose question is shown, too. */
  readonly isMade?: boolean
}

/** The answer to a question. */
export function Answer ({ answer, isMade = false }: Props): VNode {
  const { question, outcome, code, reason, failure, tree, changes } = answer
  return html`
    <div class="answer">
      ${isMade
        ? html`<h3>Why, by policy and facts of now</h3>`
        : html`<p role="status"><span class=${`outcome ${outcome}`}>${OUTCOMES[outcome]}</span> ${failure ?? code ?? ''}</p>`}
      ${tree === undefined
        ? html`<p>${printable(failure ?? reason ?? '')}</p>`
        : html`<ul class="tree" aria-label="Why"><${Node} branch=${tree} /></ul>`}
      ${outcome === 'no' && changes !== undefined && html`<${Changes} changes=${changes} />`}
      ${outcome === 'no' && changes === undefined && html`
        <p class="note">What would make it a yes is not known here: a PDP over the network does not tell its policy and its facts.</p>`}
      <h3>The whole question</h3>
      <pre tabindex="0" aria-label="The whole question">${JSON.stringify(withoutHidden(question), undefined, 2)}</pre>
      ${question.hidden && html`<p>Values are hidden. The option <code>attributes: true</code> of the inspector shows them.</p>`}
      <${CopyLines} answer=${answer} />
    </div>`
}

function withoutHidden ({ hidden: _hidden, ...question }: InspectorQuestion): object {
  return question
}

function Node ({ branch: { text, mark, branches = [] } }: { readonly branch: InspectorBranch }): VNode {
  const sign = mark === undefined ? '•' : mark ? '✓' : '✗'
  const word = mark === undefined ? '' : mark ? 'yes: ' : 'no: '
  return html`
    <li class=${mark === undefined ? '' : mark ? 'yes' : 'no'}>
      <span class="sign" aria-hidden="true">${sign}</span> <span class="for-readers">${word}</span>${printable(text)}
      ${branches.length > 0 && html`<ul>${branches.map(branch => html`<${Node} branch=${branch} />`)}</ul>`}
    </li>`
}

function Changes ({ changes }: { readonly changes: NonNullable<InspectorAnswer['changes']> | null }): VNode {
  return html`
    <h3>What would make it a yes</h3>
    ${changes === null && html`<p>The question depends on too many facts to try changes.</p>`}
    ${changes?.length === 0 && html`<p>No small change of roles, assignments or attributes.</p>`}
    ${changes !== null && changes.length > 0 && html`
      <p>Each was tried on a copy of the facts. One of them is enough:</p>
      <ul class="changes" aria-label="What would make it a yes">
        ${changes.map(together => html`
          <li>${together.map((words, index) => html`${index > 0 && html`<b> and </b>`}${printable(words)}`)}</li>`)}
      </ul>`}`
}

function CopyLines ({ answer }: { readonly answer: InspectorAnswer }): VNode {
  const [shown, setShown] = useState<{ readonly kind: LinesKind, readonly text: string, readonly copied: boolean } | undefined>(undefined)
  const copy = (kind: LinesKind) => async (): Promise<void> => {
    const text = LINES[kind].of(answer)
    // Only pages of https and of localhost may write to the clipboard.
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false
    setShown({ kind, text, copied })
  }
  return html`
    <div class="bar">
      ${(Object.keys(LINES) as LinesKind[]).map(kind => html`
        <button type="button" onClick=${copy(kind)}>Copy ${LINES[kind].title}</button>`)}
    </div>
    ${shown !== undefined && html`
      <p role="status">${shown.copied ? `Copied ${LINES[shown.kind].title}.` : 'The browser did not copy. Select the lines:'}</p>
      <pre class="lines" tabindex="0" aria-label="Lines">${shown.text}</pre>`}`
}
