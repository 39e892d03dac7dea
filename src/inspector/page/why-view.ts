// The form Why?: any question, answered with its tree.
import { useEffect, useState } from 'preact/hooks'
import type { VNode } from 'preact'
import type { InspectorAnswer, InspectorPolicy, InspectorRow } from '../inspector-row.js'
import { Answer } from './answer-view.js'
import { askApp, RefusedError } from './ask-app.js'
import { html } from './html.js'

const TEXTS = ['user', 'action', 'resource', 'tenant'] as const
const OBJECTS = {
  userAttributes: 'User attributes (JSON)', resourceAttributes: 'Resource attributes (JSON)', context: 'Context (JSON)'
} as const

type Field = typeof TEXTS[number] | keyof typeof OBJECTS
type Values = Readonly<Record<Field, string>>

const EMPTY: Values = { user: '', action: '', resource: '', tenant: '', userAttributes: '', resourceAttributes: '', context: '' }

/** How long a person may type before names are asked for, ms. */
const PAUSE = 150

/** The view. Without a policy, it completes from the decisions that the page has. */
export function WhyView ({ rows }: { readonly rows: readonly InspectorRow[] }): VNode {
  const [values, setValues] = useState<Values>(EMPTY)
  const [policy, setPolicy] = useState<InspectorPolicy | null>(null)
  const [names, setNames] = useState<Readonly<Record<string, readonly string[]>>>({})
  const [answer, setAnswer] = useState<InspectorAnswer | string | undefined>(undefined)
  useEffect(() => { askApp<InspectorPolicy | null>('policy').then(setPolicy, () => {}) }, [])

  const [type = '', key] = values.resource.split(/:(.*)/s)
  const asked = policy === null ? undefined : askedNames(values, type, key)
  useEffect(() => {
    if (asked === undefined) return
    const timer = setTimeout(() => {
      Promise.all(Object.entries(asked).map(async ([field, parameters]) => [field, await askApp<string[]>('names', parameters)] as const))
        .then(found => setNames(Object.fromEntries(found)), () => {})
    }, PAUSE)
    return () => clearTimeout(timer)
  }, [JSON.stringify(asked)])

  const known: Readonly<Record<string, readonly string[]>> = policy === null
    ? Object.fromEntries(TEXTS.map(name => [name, [...new Set(rows.map(row => row[name]))].slice(0, 50)]))
    : {
        ...names,
        action: policy.types.find(known => known.key === type)?.actions ?? [...new Set(policy.types.flatMap(({ actions }) => actions))],
        resource: key === undefined ? policy.types.map(({ key }) => key) : names['resource'] ?? []
      }

  const ask = (event: Event): void => {
    event.preventDefault()
    let parameters: object
    try {
      parameters = parametersOf(values)
    } catch (error) {
      return setAnswer((error as Error).message)
    }
    askApp<InspectorAnswer>('why', parameters).then(setAnswer, error =>
      setAnswer(error instanceof RefusedError ? error.message : 'The app did not answer.'))
  }
  const set = (name: Field) => (event: Event) => setValues({ ...values, [name]: (event.target as HTMLInputElement).value })
  return html`
    <section aria-labelledby="why-title">
      <div class="bar"><h2 id="why-title">Why?</h2></div>
      <form class="filters" aria-label="Question" onSubmit=${ask}>
        ${TEXTS.map(name => html`
          <label>${LABELS[name]}
            <input name=${name} list=${`known-${name}`} value=${values[name]} onInput=${set(name)} required=${name !== 'tenant'}
              autocomplete="off" spellcheck=${false} placeholder=${PLACEHOLDERS[name]} />
          </label>
          <datalist id=${`known-${name}`}>${(known[name] ?? []).map(value => html`<option value=${value} />`)}</datalist>`)}
        ${(Object.keys(OBJECTS) as Array<keyof typeof OBJECTS>).map(name => html`
          <label>${OBJECTS[name]}
            <input name=${name} value=${values[name]} onInput=${set(name)} autocomplete="off" spellcheck=${false} placeholder="{ }" />
          </label>`)}
        <button type="submit">Ask why</button>
      </form>
      ${typeof answer === 'string' && html`<p class="warning" role="alert">${answer}</p>`}
      ${typeof answer === 'object' && html`<div class="details"><${Answer} answer=${answer} /></div>`}
    </section>`
}

const LABELS = { user: 'User', action: 'Action', resource: 'Resource', tenant: 'Tenant' }
const PLACEHOLDERS = { user: '', action: '', resource: 'type or type:key', tenant: 'default' }

function askedNames ({ user, tenant }: Values, type: string, key: string | undefined): Readonly<Record<string, object>> {
  return {
    user: { kind: 'user', text: user },
    tenant: { kind: 'tenant', text: tenant },
    ...(key === undefined ? {} : { resource: { kind: 'instance', type, text: `${type}:${key}` } })
  }
}

function parametersOf ({ user, action, resource, tenant, ...objects }: Values): object {
  const parsed = Object.entries(objects).filter(([, text]) => text.trim() !== '').map(([name, text]) => {
    try {
      return [name, JSON.parse(text) as unknown]
    } catch {
      throw new Error(`${OBJECTS[name as keyof typeof OBJECTS]} is not JSON, such as {"department": "sales"}`)
    }
  })
  return { user, action, resource, ...(tenant === '' ? {} : { tenant }), ...Object.fromEntries(parsed) as object }
}
