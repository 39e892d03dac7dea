// Answers the page's questions: why a decision is what it is, what would make it a yes, and which names there are. Nothing is cached,
// counted or changed by them.
import { PdpError, QueryError, UnavailableError, codeOf, pdpErrorOf } from '../contract/errors.js'
import type { Query } from '../contract/point.js'
import type { Inspected } from '../app/inspector-source.js'
import { treeOfAnswer, treeOfTrace } from '../engine/explain/decision-tree.js'
import type { Environment } from '../environment/environment.js'
import type { PolicyResource } from '../engine/policy/policy.js'
import { inTimeSlices } from '../kit/time-slices.js'
import type { DecisionFeed } from './decision-feed.js'
import { HealthSamples } from './health-samples.js'
import { queryOfForm, shownQuestion } from './inspector-question.js'
import type { InspectorAnswer, InspectorAudit, InspectorNear, InspectorPolicy, InspectorRoute, InspectorType } from './inspector-row.js'

/** The most names that one completion has. */
const MAX_NAMES = 20

/** The most facts of one kind around a user or an instance. */
const MAX_NEAR = 100

/** After how many names other work gets its turn. */
const NAMES_A_TURN = 500

/** What answers are made of. */
export interface AnswersOptions {
  readonly inspected: Inspected
  /** Whether attribute values are shown. */
  readonly attributes: boolean
  /** The routes of the app; undefined for a framework that does not tell. */
  readonly routes?: () => readonly InspectorRoute[]
}

/** The answers of one inspector. */
export class InspectorAnswers {
  readonly #inspected: Inspected
  readonly #feed: DecisionFeed
  readonly #values: boolean
  readonly #routes: AnswersOptions['routes']
  readonly #samples: HealthSamples

  constructor ({ inspected, attributes, routes }: AnswersOptions, feed: DecisionFeed) {
    this.#inspected = inspected
    this.#feed = feed
    this.#values = attributes
    this.#routes = routes
    this.#samples = new HealthSamples(() => inspected.checks.stats())
  }

  /** Takes no more samples. */
  close (): void {
    this.#samples.close()
  }

  /**
   * The answer at an address below the page's; undefined when there is none.
   * @throws `QueryError` for a wrong question, `UnavailableError` when there is no answer
   */
  answer (rest: string, parameters: () => Readonly<Record<string, unknown>>): Promise<unknown> | undefined {
    switch (rest) {
      case 'why': return this.#why(queryOfForm(parameters()))
      case 'decision': return this.#decision(parameters()['id'])
      case 'names': return this.#names(parameters())
      case 'policy': return Promise.resolve(this.#policy())
      case 'near': return Promise.resolve(this.#near(parameters()))
      case 'health': return Promise.resolve(this.#samples.taken())
      case 'audit': return Promise.resolve(this.#audit(parameters()))
      default: return undefined
    }
  }

  /** A decision that was made, with the answer to its question now. */
  async #decision (id: unknown): Promise<InspectorAnswer | null> {
    const query = typeof id === 'number' ? this.#feed.questionOf(id) : undefined
    return query === undefined ? null : this.#why(query)
  }

  async #why (query: Query): Promise<InspectorAnswer> {
    const question = shownQuestion(query, this.#values)
    const environment = this.#inspected.path.environment?.()
    try {
      return { question, ...await (environment === undefined ? this.#asked(query) : this.#traced(environment, query)) }
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
      return { question, outcome: 'none', failure: pdpErrorOf(error)?.failure ?? codeOf(error) }
    }
  }

  async #traced (environment: Environment, query: Query): Promise<Omit<InspectorAnswer, 'question'>> {
    const { engine, schema: policy, unknown, currentUntil } = environment
    if (performance.now() > currentUntil) throw new UnavailableError(new PdpError('network', 'the facts may be too old'))
    const trace = engine.trace(query)
    const { allow, code, reason } = trace
    const tree = treeOfTrace(query, trace, this.#values)
    const answer = { outcome: allow ? 'yes' : 'no', code, reason, tree } as const
    if (allow) return answer
    // Imported here, because an app with a PDP over the network has no engine.
    const { stepsOfWhatWouldAllow, wordsOf } = await import('../engine/explain/what-would-allow.js')
    const remedies = await inTimeSlices(stepsOfWhatWouldAllow({ policy, facts: engine.facts, unknown, now: engine.now }, query))
    return { ...answer, changes: remedies?.map(remedy => remedy.map(change => wordsOf(change, query))) ?? null }
  }

  /** Asks a PDP over the network, not the cache before it. Its debug output may quote attributes. */
  async #asked (query: Query): Promise<Omit<InspectorAnswer, 'question'>> {
    const { path: { pdp }, timeout } = this.#inspected
    if (pdp === undefined) throw new UnavailableError(new PdpError('closed', 'the PDP is not open'))
    const { allow, code, reason, debug } = await pdp.decide(query, performance.now() + timeout, { source: undefined })
    const tree = treeOfAnswer(query, { allow: allow === true, code, reason, debug: this.#values ? debug : undefined })
    return { outcome: allow === true ? 'yes' : 'no', code, reason, tree }
  }

  /** Keys of users, tenants or instances of a type that contain a text, those that begin with it first. */
  async #names ({ kind, text = '', type }: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
    const facts = this.#inspected.path.environment?.()?.engine.facts
    if (facts === undefined) return []
    const wanted = String(text).toLowerCase()
    switch (kind) {
      case 'user': return inTimeSlices(stepsOfNames(facts.users(), ({ key }) => key, wanted))
      case 'tenant': return inTimeSlices(stepsOfNames(facts.tenants(), ({ key }) => key, wanted))
      case 'instance': {
        const instances = facts.resourceInstances(typeof type === 'string' ? { resource: type } : {})
        return inTimeSlices(stepsOfNames(instances, ({ resource, key }) => `${resource}:${key}`, wanted))
      }
      default: throw new QueryError('the kind of the names is missing; expected user, tenant or instance')
    }
  }

  /** Null without a policy or routes. */
  #audit ({ user, tenant = 'default' }: Readonly<Record<string, unknown>>): InspectorAudit | null {
    const engine = this.#inspected.path.environment?.()?.engine
    const routes = this.#routes?.()
    if (engine === undefined || routes === undefined) return null
    const required = new Set(routes.flatMap(({ permissions }) => permissions))
    const known = new Set(engine.grants().map(({ permission }) => permission))
    const audit = {
      unused: [...known].filter(permission => !required.has(permission)),
      unknown: [...required].filter(permission => !known.has(permission))
    }
    if (typeof user !== 'string' || user === '') return audit
    if (engine.facts.getUser(user) === undefined) return { ...audit, problem: 'The policy does not know this user.' }
    if (engine.facts.getTenant(String(tenant)) === undefined) return { ...audit, problem: 'This tenant does not exist.' }
    const possiblePermissions = engine.possiblePermissions(user, String(tenant)).map(({ permission, may }) => [permission, may] as const)
    return { ...audit, may: Object.fromEntries(possiblePermissions.filter(([permission]) => required.has(permission))) }
  }

  /** Null for a PDP over the network, which does not tell its policy. */
  #policy (): InspectorPolicy | null {
    const environment = this.#inspected.path.environment?.()
    if (environment === undefined) return null
    const { engine, schema: { resources, roles, set_rules: rules } } = environment
    return {
      types: Object.entries(resources).map(([key, resource]) => typeOf(key, resource)),
      roles: Object.keys(roles),
      grants: engine.grants(),
      rules: rules.map(({ user_set: who, permission, resource_set: what }) => `${who} may ${permission} on ${what}`)
    }
  }

  /** The facts around a user or an instance; null for one that does not exist. */
  #near ({ user, instance }: Readonly<Record<string, unknown>>): InspectorNear | null {
    const facts = this.#inspected.path.environment?.()?.engine.facts
    if (facts === undefined) return null
    if (typeof user === 'string') {
      if (facts.getUser(user) === undefined) return null
      const roles = take(facts.roleAssignmentsNear({ user }))
      const at = roles.map(({ role, tenant, resource_instance: on }) => ({ role, at: on ?? `tenant ${tenant}` }))
      return { roles: at, subjects: [], objects: [], more: roles.length === MAX_NEAR }
    }
    const id = String(instance)
    if (facts.getResourceInstance(id) === undefined) return null
    const roles = take(facts.roleAssignmentsNear({ resource_instance: id }))
    const subjects = take(facts.relationshipTuplesNear({ object: id }))
    const objects = take(facts.relationshipTuplesNear({ subject: id }))
    return {
      roles: roles.map(({ role, user }) => ({ role, at: user })),
      subjects: subjects.map(({ relation, subject }) => ({ relation, of: subject })),
      objects: objects.map(({ relation, object }) => ({ relation, of: object })),
      more: [roles, subjects, objects].some(({ length }) => length === MAX_NEAR)
    }
  }
}

function typeOf (key: string, { actions, roles = {}, relations = {} }: PolicyResource): InspectorType {
  const subjectOf = (relation: NonNullable<PolicyResource['relations']>[string]): string =>
    typeof relation === 'string' ? relation : relation.subject_resource
  return {
    key,
    actions: Object.keys(actions),
    roles: Object.keys(roles),
    relations: Object.entries(relations).map(([relation, subject]) => ({ relation, subject: subjectOf(subject) })),
    derivations: Object.entries(roles).flatMap(([role, definition]) => (definition?.granted_to?.users_with_role ?? [])
      .map(({ role: from, on_resource: on, linked_by_relation: relation }) => ({ role, from, on, relation })))
  }
}

function take<T> (facts: Iterable<T>): T[] {
  const taken: T[] = []
  for (const fact of facts) if (taken.push(fact) === MAX_NEAR) break
  return taken
}

function * stepsOfNames<T> (facts: Iterable<T>, nameOf: (fact: T) => string, wanted: string): Generator<undefined, string[]> {
  const beginning: string[] = []
  const containing: string[] = []
  let read = 0
  for (const fact of facts) {
    if (++read % NAMES_A_TURN === 0) yield
    const name = nameOf(fact)
    const place = name.toLowerCase().indexOf(wanted)
    if (place === 0) beginning.push(name)
    else if (place > 0 && containing.length < MAX_NAMES) containing.push(name)
    if (beginning.length === MAX_NAMES) break
  }
  return [...beginning, ...containing].slice(0, MAX_NAMES)
}
