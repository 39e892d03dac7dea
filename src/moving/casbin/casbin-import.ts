// Makes a policy of what casbin's files say, with the same decisions. casbin's subjects become roles and users, its domains tenants, its
// objects resource types.
import { DEFAULT_TENANT } from '../../engine/facts/fact.js'
import type { RoleAssignmentFact } from '../../engine/facts/fact.js'
import { readJson } from '../../kit/read-json.js'
import { fittingKeys, keysByName } from '../fitting-keys.js'
import type { Facts } from '../moved-policy.js'
import type { Schema } from '../normal-form.js'
import type { CasbinModel } from './casbin-model.js'
import type { CasbinLink, CasbinPolicy, CasbinRule } from './casbin-policy.js'
import type { CasbinRefusal } from './casbin-refusal.js'

/** How many links casbin follows from a user to a role; what is further away is not found. */
const MAX_LEVELS = 10

/** Maximum number of links in all domains together. */
const MAX_LINKS = 1_000_000

const IN_EACH_DOMAIN = 'a user with a rule of its own has it in each domain, and a policy lists its tenants'

/** A name of casbin, and the key that it has in the policy. */
export interface Renamed {
  readonly kind: 'resource' | 'action' | 'role'
  readonly name: string
  readonly key: string
}

/** A policy with the decisions of casbin's files. */
export interface CasbinImport {
  readonly schema: Schema
  readonly facts: Facts
  readonly renamed: readonly Renamed[]
  /** Roles that have roles. casbin takes their names for users, too; the policy does not. */
  readonly notUsers: readonly string[]
  /** Names with rules that no `g` mentions, where the model has `g`: users, or roles that nobody has yet. */
  readonly rolesOfTheirOwn: readonly string[]
  /** Names with rules in every domain that no `g` mentions: roles that nobody has. */
  readonly withoutMembers: readonly string[]
}

/** What the import is told. */
export interface CasbinImportOptions {
  /** Name of the policy file in refusals. */
  readonly file: string
  /** Roles that are users as well, as they are for casbin. */
  readonly users: readonly string[]
}

/** A name may have other permissions and parents in each domain: each such variant becomes a role. */
interface Variant {
  readonly id: number
  readonly name: string
  readonly domains: string[]
  readonly permissions: ReadonlySet<string>
  readonly parents: readonly Variant[]
}

/**
 * Makes a policy.
 *
 * @returns without `policy` when something is refused
 */
export function importCasbin (
  model: CasbinModel, { rules, links }: CasbinPolicy, { file, users }: CasbinImportOptions
): { readonly imported?: CasbinImport, readonly refused: readonly CasbinRefusal[] } {
  const refused: CasbinRefusal[] = []
  const refuse = (line: number, name: string, reason: string): void => { refused.push({ file, line, name, reason }) }
  const graph = new Graph(model, rules, links)
  if (graph.size > MAX_LINKS) refuse(1, 'g', `${graph.size} links, those of each domain counted; at most ${MAX_LINKS} are imported`)
  else graph.check(refuse)
  const known = new Set([...graph.roles, ...links.map(({ member }) => member)])
  for (const name of users) {
    if (!known.has(name)) refuse(1, name, 'there is no such name to make a user of')
    else if (graph.holdsEverywhere(name)) refuse(1, name, IN_EACH_DOMAIN)
  }
  if (refused.length === 0 && model.hasDomains && model.rule.domain === undefined) {
    const members = new Set(links.map(({ member }) => member))
    for (const { line, subject } of rules) {
      if (graph.isUser(subject) && members.has(subject)) {
        refuse(line, subject, IN_EACH_DOMAIN)
      }
    }
  }
  return refused.length > 0 ? { refused } : { imported: graph.policy(new Set(users)), refused }
}

interface Variants {
  readonly byDomain: Map<string, Variant | undefined>
  readonly bySignature: Map<string, Variant>
}

class Graph {
  readonly #model: CasbinModel
  readonly #rules: readonly CasbinRule[]
  readonly #links: readonly CasbinLink[]
  /** Names that others have as a role. */
  readonly #parents: ReadonlySet<string>
  readonly #domains: readonly string[]
  /** Permissions by domain and subject; by subject alone where rules hold in every domain. */
  readonly #permissions = new Map<string, Map<string, Set<string>>>()
  /** Links by domain and member. */
  readonly #linked = new Map<string, Map<string, CasbinLink[]>>()
  readonly #variants = new Map<string, Variants>()
  #count = 0
  /** Names that are roles in the policy. */
  readonly roles: ReadonlySet<string>

  constructor (model: CasbinModel, rules: readonly CasbinRule[], links: readonly CasbinLink[]) {
    this.#model = model
    this.#rules = rules
    this.#links = links
    this.#parents = new Set(links.map(({ role }) => role))
    this.roles = new Set([...rules.map(({ subject }) => subject), ...this.#parents])
    this.#domains = model.hasDomains
      ? [...new Set([...rules, ...links].flatMap(({ domain }) => domain === undefined ? [] : [domain]))]
      : [DEFAULT_TENANT]
    for (const { subject, object, action, domain } of rules) {
      entryOf(entryOf(this.#permissions, domain ?? '', newMap<Set<string>>), subject, newSet).add(JSON.stringify([object, action]))
    }
    for (const link of links) {
      entryOf(entryOf(this.#linked, link.domain ?? '', newMap<CasbinLink[]>), link.member, newList<CasbinLink>).push(link)
    }
  }

  /** How many links there are, those that hold in every domain counted for each. */
  get size (): number {
    return this.#model.links === 'everywhere' ? this.#links.length * this.#domains.length : this.#links.length
  }

  /** Whether the name is a user and nothing else. */
  isUser (name: string): boolean {
    return !this.#parents.has(name)
  }

  /** Whether a user of this name would have the rules of the name in each domain. */
  holdsEverywhere (name: string): boolean {
    return this.#model.hasDomains && this.#model.rule.domain === undefined && this.#permissionsOf(name, '').size > 0
  }

  #permissionsOf (name: string, domain: string): ReadonlySet<string> {
    const key = this.#model.rule.domain === undefined ? '' : domain
    return this.#permissions.get(key)?.get(name) ?? NONE
  }

  #linksOf (name: string, domain: string): readonly CasbinLink[] {
    const key = this.#model.links === 'by domain' ? domain : ''
    return this.#linked.get(key)?.get(name) ?? []
  }

  /** Refuses cycles, and chains that casbin does not follow to their end. */
  check (refuse: (line: number, name: string, reason: string) => void): void {
    for (const linked of this.#linked.values()) {
      const { name, line, isCycle } = tooLongChain(linked) ?? {}
      if (name === undefined || line === undefined) continue
      return refuse(line, name, isCycle === true
        ? 'roles that have one another in a circle; casbin follows it, and a policy must not have one'
        : `a chain of more than ${MAX_LEVELS} roles: casbin does not follow it to its end, and a policy would`)
    }
  }

  /** The domains in which a name has rules, roles or members. */
  #domainsOf (): Map<string, Set<string>> {
    const found = new Map<string, Set<string>>()
    if (!this.#model.hasDomains || this.#model.links === 'everywhere') {
      for (const name of this.roles) found.set(name, new Set(this.#domains))
      return found
    }
    for (const { subject, domain } of this.#rules) {
      const domains = entryOf(found, subject, newSet)
      if (domain !== undefined) domains.add(domain)
    }
    for (const { member, role, domain = '' } of this.#links) {
      entryOf(found, role, newSet).add(domain)
      if (this.roles.has(member)) entryOf(found, member, newSet).add(domain)
    }
    return found
  }

  /** The role that a name is in a domain. Undefined where it has nothing there. {@link MAX_LEVELS} limits the depth of the recursion. */
  #variantOf (name: string, domain: string): Variant | undefined {
    const { byDomain, bySignature } = entryOf(this.#variants, name, newVariants)
    if (byDomain.has(domain)) return byDomain.get(domain)
    const permissions = this.#permissionsOf(name, domain)
    const parents = [...new Set(this.#linksOf(name, domain).map(({ role }) => this.#variantOf(role, domain)))].filter(isDefined)
    // Roles that everybody has in every domain: without rules in this one, there is nothing to have.
    const isNothing = this.#model.hasDomains && this.#model.links === 'everywhere' && permissions.size === 0 && parents.length === 0
    const signature = JSON.stringify([[...permissions].sort(), parents.map(({ id }) => id).sort((a, b) => a - b)])
    const variant = isNothing
      ? undefined
      : entryOf(bySignature, signature, () => ({ id: this.#count++, name, domains: [], permissions, parents }))
    variant?.domains.push(domain)
    byDomain.set(domain, variant)
    return variant
  }

  policy (users: ReadonlySet<string>): CasbinImport {
    const domainsOf = this.#domainsOf()
    const variants = new Map<string, Set<Variant>>()
    for (const [name, domains] of domainsOf) {
      // A role without a domain: nobody has it, but its rules are not lost.
      const inDomains = domains.size === 0 ? [''] : [...domains]
      variants.set(name, new Set(inDomains.map(domain => this.#variantOf(name, domain)).filter(isDefined)))
    }
    const found = namedVariants(variants.values())
    const roleKeys = fittingKeys(found.map(([, name]) => name), 'role')
    const keys = new Map(found.map(([variant], index) => [variant, roleKeys[index] ?? '']))
    const types = keysByName(this.#rules.map(({ object }) => object), 'resource')
    const actions = keysByName(this.#rules.map(({ action }) => action), 'action')
    const permission = (text: string): string => {
      const [object, action] = readJson(text) as [string, string]
      return `${types.get(object)}:${actions.get(action)}`
    }
    const actionsOf = new Map<string, Set<string>>()
    for (const { object, action } of this.#rules) entryOf(actionsOf, object, newSet).add(action)
    const resources = Object.fromEntries(Array.from(actionsOf, ([object, names]) => {
      const blocks = Array.from(names, name => entryNamed(name, actions.get(name)))
      const [type, block] = entryNamed(object, types.get(object))
      return [type, { ...block, actions: Object.fromEntries(blocks) }]
    }))
    const roles = Object.fromEntries(found.map(([variant, name]) => {
      const [key, block] = entryNamed(name, keys.get(variant))
      return [key, {
        ...block,
        ...(variant.permissions.size === 0 ? {} : { permissions: Array.from(variant.permissions, permission).sort() }),
        ...(variant.parents.length === 0 ? {} : { extends: variant.parents.map(parent => keys.get(parent) ?? '').sort() })
      }]
    }))
    const renamed = [
      ...renamedOf('resource', types),
      ...renamedOf('action', actions),
      ...renamedOf('role', found.map(([variant, name]) => [name, keys.get(variant) ?? '']))
    ]
    const members = new Set(this.#links.map(({ member }) => member))
    const alone = this.#model.links === 'none' ? [] : [...this.roles].filter(name => this.isUser(name) && !members.has(name))
    const isEverywhere = this.#model.hasDomains && this.#model.rule.domain === undefined
    return {
      schema: { resources, roles },
      facts: this.#facts(users, domainsOf, keys),
      renamed,
      notUsers: [...this.#parents].filter(name => members.has(name) && !users.has(name)),
      rolesOfTheirOwn: isEverywhere ? [] : alone,
      withoutMembers: isEverywhere ? alone : []
    }
  }

  #facts (users: ReadonlySet<string>, domainsOf: ReadonlyMap<string, ReadonlySet<string>>, keys: ReadonlyMap<Variant, string>): Facts {
    const assignments = new Map<string, RoleAssignmentFact>()
    const assign = (user: string, variant: Variant | undefined, tenant: string): void => {
      const role = variant === undefined ? undefined : keys.get(variant)
      if (role !== undefined) assignments.set(JSON.stringify([user, role, tenant]), { user, role, tenant })
    }
    const people = new Set(users)
    for (const { member, role, domain } of this.#links) {
      if (!this.isUser(member)) continue
      people.add(member)
      for (const tenant of domain === undefined ? this.#domains : [domain]) assign(member, this.#variantOf(role, tenant), tenant)
    }
    const isEverywhere = this.#model.hasDomains && this.#model.rule.domain === undefined
    for (const [name, domains] of domainsOf) {
      const isPerson = users.has(name) || (this.isUser(name) && !isEverywhere)
      if (!isPerson) continue
      people.add(name)
      for (const tenant of domains) assign(name, this.#variantOf(name, tenant), tenant)
    }
    return {
      tenants: this.#domains.filter(key => key !== DEFAULT_TENANT).map(key => ({ key })),
      users: Array.from(people, key => ({ key })),
      instances: [],
      assignments: [...assignments.values()],
      tuples: []
    }
  }
}

/** The first member whose roles go in a circle, or too far. Each link is looked at once. */
function tooLongChain (
  linked: ReadonlyMap<string, readonly CasbinLink[]>
): { readonly name: string, readonly line: number | undefined, readonly isCycle: boolean } | undefined {
  const membersOf = new Map<string, string[]>()
  const missing = new Map<string, number>()
  for (const [name, links] of linked) {
    const roles = new Set(links.map(({ role }) => role))
    missing.set(name, roles.size)
    for (const role of roles) entryOf(membersOf, role, newList<string>).push(name)
  }
  const lineOf = (name: string): number | undefined => linked.get(name)?.[0]?.line
  const levels = new Map<string, number>()
  const ready = [...membersOf.keys()].filter(name => !missing.has(name))
  for (let role = ready.pop(); role !== undefined; role = ready.pop()) {
    const level = 1 + (levels.get(role) ?? 0)
    for (const name of membersOf.get(role) ?? []) {
      levels.set(name, Math.max(level, levels.get(name) ?? 0))
      if ((levels.get(name) ?? 0) > MAX_LEVELS) return { name, line: lineOf(name), isCycle: false }
      const left = (missing.get(name) ?? 0) - 1
      missing.set(name, left)
      if (left === 0) ready.push(name)
    }
  }
  // What is left leads into a circle; after as many steps as there are names, it is in one.
  const stuck = (name: string | undefined): boolean => name !== undefined && (missing.get(name) ?? 0) > 0
  let [name] = [...missing.keys()].filter(stuck)
  for (let steps = 0; name !== undefined && steps < missing.size; steps++) name = linked.get(name)?.map(({ role }) => role).find(stuck)
  return name === undefined ? undefined : { name, line: lineOf(name), isCycle: true }
}

/** The variants with names for people. That of the most domains has the name itself; the others say their first domain. */
function namedVariants (variants: Iterable<ReadonlySet<Variant>>): Array<[Variant, string]> {
  const found: Array<[Variant, string]> = []
  const others: Array<[Variant, string]> = []
  for (const ofName of variants) {
    for (const [index, variant] of [...ofName].sort((a, b) => b.domains.length - a.domains.length).entries()) {
      if (index === 0) found.push([variant, variant.name])
      else others.push([variant, `${variant.name} (${variant.domains[0]})`])
    }
  }
  return [...found, ...others]
}

const NONE: ReadonlySet<string> = new Set()

const newSet = (): Set<string> => new Set()
const newList = <T>(): T[] => []
const newMap = <T>(): Map<string, T> => new Map()

function entryOf<T> (map: Map<string, T>, key: string, create: () => T): T {
  const found = map.get(key)
  if (found !== undefined) return found
  const value = create()
  map.set(key, value)
  return value
}

function isDefined<T> (value: T | undefined): value is T {
  return value !== undefined
}

function newVariants (): Variants {
  return { byDomain: new Map(), bySignature: new Map() }
}

function entryNamed (name: string, key = name): [string, { name?: string }] {
  return [key, name === key ? {} : { name }]
}

function renamedOf (kind: Renamed['kind'], keys: Iterable<readonly [string, string]>): Renamed[] {
  return Array.from(keys, ([name, key]) => ({ kind, name, key })).filter(({ name, key }) => name !== key)
}
