// The policy: who holds which permission, how types are linked, and what is around a user or an instance.
import { useEffect, useState } from 'preact/hooks'
import type { VNode } from 'preact'
import type { InspectorNear, InspectorPolicy, InspectorType } from '../inspector-row.js'
import { askApp } from './ask-app.js'
import { html } from './html.js'
import { Neighbours, type Neighbour } from './neighbours.js'
import { TypeGraph } from './type-graph.js'

/** How long a person may type before the app is asked, ms. */
const PAUSE = 150

/** The view. */
export function PolicyView (): VNode {
  const [policy, setPolicy] = useState<InspectorPolicy | null | 'loading' | 'failed'>('loading')
  useEffect(() => { askApp<InspectorPolicy | null>('policy').then(setPolicy, () => setPolicy('failed')) }, [])
  return html`
    <section aria-labelledby="policy-title">
      <div class="bar"><h2 id="policy-title">Policy</h2></div>
      ${policy === 'loading' && html`<p>Loading …</p>`}
      ${policy === 'failed' && html`<p class="warning" role="status">The app did not tell its policy.</p>`}
      ${policy === null && html`<p>A PDP over the network does not tell its policy.</p>`}
      ${typeof policy === 'object' && policy !== null && html`<${Types} policy=${policy} /><${Facts} />`}
    </section>`
}

function Types ({ policy }: { readonly policy: InspectorPolicy }): VNode {
  const [search, setSearch] = useState('')
  const [chosen, setChosen] = useState<string | undefined>(policy.types[0]?.key)
  const wanted = search.toLowerCase()
  const found = policy.types.filter(type => [type.key, ...type.actions, ...type.roles].some(name => name.toLowerCase().includes(wanted)))
  const type = policy.types.find(({ key }) => key === chosen)
  return html`
    <form class="filters" aria-label="Types" onSubmit=${(event: Event) => event.preventDefault()}>
      <label>Search types, actions and roles
        <input type="search" value=${search} onInput=${(event: Event) => setSearch((event.target as HTMLInputElement).value)} />
      </label>
      <p class="status">${found.length} of ${policy.types.length} types</p>
    </form>
    <div class="bar types">${found.map(({ key }) => html`
      <button type="button" aria-pressed=${key === chosen} onClick=${() => setChosen(key)}>${key}</button>`)}
    </div>
    ${type !== undefined && html`
      <${Matrix} policy=${policy} type=${type} />
      <h3>How types are linked</h3>
      <${TypeGraph} types=${policy.types} chosen=${type} choose=${setChosen} />
      <${Links} policy=${policy} type=${type} choose=${setChosen} />`}`
}

interface TypeProps {
  readonly policy: InspectorPolicy
  readonly type: InspectorType
}

function Matrix ({ policy, type }: TypeProps): VNode {
  const grants = new Map(policy.grants.map(({ permission, ...by }) => [permission, by]))
  const rows = [
    ...policy.roles.map(role => ({ name: role, by: 'roles', role }) as const),
    ...type.roles.map(role => ({ name: `${role} on a ${type.key}`, by: 'resource_roles', role }) as const)
  ]
  const rules = policy.rules.filter(rule => rule.includes(` ${type.key}:`))
  return html`
    <h3>Who holds the permissions on ${type.key}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Matrix of roles and permissions">
      <table>
        <thead><tr><th scope="col">Role</th>${type.actions.map(action => html`<th scope="col">${action}</th>`)}</tr></thead>
        <tbody>${rows.map(({ name, by, role }) => html`
          <tr><th scope="row">${name}</th>${type.actions.map(action => {
            const has = grants.get(`${type.key}:${action}`)?.[by].includes(role) === true
            return html`<td class=${has ? 'held' : ''}>${has ? '✓ yes' : '–'}</td>`
          })}</tr>`)}
        </tbody>
      </table>
    </div>
    ${rules.length > 0 && html`<ul aria-label="Set rules">${rules.map(rule => html`<li>${rule}</li>`)}</ul>`}`
}

function Links ({ policy, type, choose }: TypeProps & { readonly choose: (type: string) => void }): VNode {
  const uses = policy.types.flatMap(other =>
    linksOf(other).filter(({ name }) => name === type.key).map(({ label }) => ({ name: other.key, label })))
  return html`
    <h3>Relations and derivations of ${type.key}</h3>
    <${Neighbours} title="Graph of types" center=${type.key} choose=${choose} left=${linksOf(type)} right=${uses} />`
}

/** The types that a type is linked to, each with its relation and what is derived by it. */
function linksOf ({ relations, derivations }: InspectorType): Neighbour[] {
  return relations.map(({ relation, subject }) => {
    const derived = derivations.filter(({ relation: by, on }) => by === relation && on === subject)
    return { name: subject, label: [`is ${relation}`, ...derived.map(({ role, from }) => `${from} gives ${role}`)].join('; ') }
  })
}

interface Found {
  readonly kind: 'user' | 'instance'
  readonly name: string
  readonly near: InspectorNear
}

/** What is around a user or an instance. */
function Facts (): VNode {
  const [name, setName] = useState('')
  const [found, setFound] = useState<Found | undefined>(undefined)
  const [names, setNames] = useState<readonly string[]>([])
  useEffect(() => {
    const timer = setTimeout(() => {
      const kinds = ['user', 'instance'] as const
      Promise.all(kinds.map(kind => askApp<InspectorNear | null>('near', { [kind]: name }))).then(([user, instance]) => {
        if (user) setFound({ kind: 'user', name, near: user })
        else setFound(instance ? { kind: 'instance', name, near: instance } : undefined)
      }, () => {})
      Promise.all(kinds.map(kind => askApp<string[]>('names', { kind, text: name }))).then(lists => setNames(lists.flat()), () => {})
    }, PAUSE)
    return () => clearTimeout(timer)
  }, [name])
  const roles = found?.near.roles ?? []
  // A user has roles in tenants, which have no neighbours here. The key of a user may begin with anything.
  const go = (to: string): void => { if (found?.kind === 'instance' || !to.startsWith('tenant ')) setName(to) }
  return html`
    <h3>Around a user or an instance</h3>
    <form class="filters" aria-label="Fact" onSubmit=${(event: Event) => event.preventDefault()}>
      <label>User, or instance as type:key
        <input name="fact" list="known-facts" value=${name} autocomplete="off" spellcheck=${false}
          onInput=${(event: Event) => setName((event.target as HTMLInputElement).value)} />
      </label>
      <datalist id="known-facts">${names.map(known => html`<option value=${known} />`)}</datalist>
    </form>
    ${found === undefined && name !== '' && html`<p role="status">No user and no instance has this key.</p>`}
    ${found !== undefined && html`
      <${Neighbours} title="Graph of facts" center=${found.name} choose=${go}
        left=${[...found.near.subjects.map(linkOf), ...(found.kind === 'instance' ? roles.map(holderOf) : [])]}
        right=${[...found.near.objects.map(linkOf), ...(found.kind === 'user' ? roles.map(holderOf) : [])]} />
      ${found.near.more && html`<p>There is more; the first 100 of each kind are shown.</p>`}`}`
}

function linkOf ({ relation, of }: { readonly relation: string, readonly of: string }): Neighbour {
  return { name: of, label: relation }
}

function holderOf ({ role, at }: { readonly role: string, readonly at: string }): Neighbour {
  return { name: at, label: `role ${role}` }
}
