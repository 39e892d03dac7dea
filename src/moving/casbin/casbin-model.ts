// Reads casbin's model.conf, and finds out whether its matcher is role-based access control and nothing else.
import type { CasbinRefusal } from './casbin-refusal.js'

/** What a value of a request or a rule is. */
type Part = 'subject' | 'domain' | 'object' | 'action'

/** Where a rule `p` has its parts: indexes of its values. */
export interface RuleColumns {
  readonly subject: number
  readonly object: number
  readonly action: number
  /** Undefined: the rules hold in every domain. */
  readonly domain: number | undefined
  readonly effect: number | undefined
  /** How many values a rule has. */
  readonly count: number
}

/** A model whose decisions a policy can make. */
export interface CasbinModel {
  readonly rule: RuleColumns
  /** Whether requests name a domain. */
  readonly hasDomains: boolean
  /** `g`: none, of a user in every domain, or of a user in one domain. */
  readonly links: 'none' | 'everywhere' | 'by domain'
}

const SECTIONS: Readonly<Record<string, string>> = {
  __proto__: null as never,
  request_definition: 'r',
  policy_definition: 'p',
  role_definition: 'g',
  policy_effect: 'e',
  matchers: 'm'
}

/** By what names models call a part. */
const PART_NAMES: Readonly<Record<Part, readonly string[]>> = {
  subject: ['sub', 'subject', 'user'],
  domain: ['dom', 'domain', 'tenant', 'org'],
  object: ['obj', 'object', 'resource', 'res'],
  action: ['act', 'action', 'method']
}

const PARTS = new Map<string, Part>(Object.entries(PART_NAMES).flatMap(([part, names]) => names.map(name => [name, part as Part])))

const ALLOW = 'some(where (p.eft == allow))'
/** Without a rule that denies, it is the same as {@link ALLOW}; and a rule that denies is refused. */
const ALLOW_AND_NOT_DENY = 'some(where (p.eft == allow)) && !some(where (p.eft == deny))'

const BY_PRIORITY = 'rules by priority: a policy has no order of rules, and no rule that denies'

const EQUALS = /^([rp])\.(\w+)\s*===?\s*([rp])\.(\w+)$/
const HAS_ROLE = /^g\s*\(\s*r\.(\w+)\s*,\s*p\.(\w+)\s*(?:,\s*([rp])\.(\w+)\s*)?\)$/

interface Definition {
  readonly value: string
  readonly line: number
}

/**
 * Reads a model.
 *
 * @param file - its name in refusals
 * @returns undefined with `refused`, which then has at least one entry
 */
export function readCasbinModel (text: string, file: string): { readonly model?: CasbinModel, readonly refused: readonly CasbinRefusal[] } {
  const refused: CasbinRefusal[] = []
  const refuse = (line: number, name: string, reason: string): void => { refused.push({ file, line, name, reason }) }
  const definitions = definitionsOf(text, refuse)
  const [r, p, e, m] = ['r', 'p', 'e', 'm'].map(key => definitions.get(key))
  for (const [section, key] of Object.entries(SECTIONS)) {
    if (key !== 'g' && !definitions.has(key)) refuse(1, section, `the model has no '${key} = …' in a section [${section}]`)
  }
  if (r === undefined || p === undefined || e === undefined || m === undefined || refused.length > 0) return { refused }
  checkEffect(e, refuse)
  const request = partsOf(r, 'r', refuse)
  const rule = partsOf(p, 'p', refuse)
  const arity = linkArity(definitions.get('g'), refuse)
  const model = refused.length > 0 ? undefined : modelOf(m, { request, rule, arity }, refuse)
  return model === undefined || refused.length > 0 ? { refused } : { model, refused }
}

type Refuse = (line: number, name: string, reason: string) => void

/** The definitions, as casbin reads its configuration: comments end a line, a backslash continues it. */
function definitionsOf (text: string, refuse: Refuse): Map<string, Definition> {
  const found = new Map<string, Definition>()
  const seen = new Set<string>()
  let section: string | undefined
  let pending: Definition | undefined
  const lines = text.split('\n')
  for (const [index, raw] of lines.entries()) {
    const line = index + 1
    const content = raw.replace(/[#;][^]*$/, '').trim()
    if (content === '') continue
    if (content.startsWith('[') && content.endsWith(']') && pending === undefined) {
      section = content.slice(1, -1)
      if (SECTIONS[section] === undefined) refuse(line, content, `a policy has nothing like this section; ${sectionNames()} are imported`)
      else if (seen.has(section)) refuse(line, `[${section}]`, 'the section is there twice')
      seen.add(section)
      continue
    }
    const start = pending ?? { value: '', line }
    if (content.endsWith('\\')) {
      pending = { value: start.value + content.slice(0, -1).trim(), line: start.line }
      continue
    }
    pending = undefined
    define(found, section, { value: start.value + content, line: start.line }, refuse)
  }
  if (pending !== undefined) refuse(pending.line, pending.value, 'the last line ends with a backslash, and nothing follows')
  return found
}

function define (found: Map<string, Definition>, section: string | undefined, { value: text, line }: Definition, refuse: Refuse): void {
  const at = text.indexOf('=')
  const key = text.slice(0, Math.max(0, at)).trim()
  const value = text.slice(at + 1).trim()
  const expected = section === undefined ? undefined : SECTIONS[section]
  if (at < 0 || key === '' || value === '') return refuse(line, text, "this is not a definition, such as 'r = sub, obj, act'")
  if (expected === undefined) {
    // The section is refused already.
    if (section === undefined) refuse(line, key, 'this is not in a section')
    return
  }
  if (key !== expected) {
    return refuse(line, key, `only '${expected}' is imported from [${section}]: requests that select another definition have no equivalent`)
  }
  if (found.has(key)) return refuse(line, key, 'it is defined twice')
  found.set(key, { value, line })
}

function sectionNames (): string {
  return Object.keys(SECTIONS).map(name => `[${name}]`).join(', ')
}

function checkEffect ({ value, line }: Definition, refuse: Refuse): void {
  const effect = value.replaceAll('p_eft', 'p.eft')
  if (effect === ALLOW || effect === ALLOW_AND_NOT_DENY) return
  const name = /^(\w+)\(p\.eft\) \|\| deny$/.exec(effect)?.[1] ?? value
  const reason = /priority/i.test(name)
    ? BY_PRIORITY
    : effect.startsWith('!')
      ? 'everything is allowed that no rule denies: a policy denies what it does not allow'
      : `the effect is not '${ALLOW}'`
  refuse(line, name, reason)
}

/** The values of a request or a rule: where each part is, and which part each name stands for. */
interface Columns {
  readonly at: ReadonlyMap<Part | 'effect', number>
  readonly partOf: ReadonlyMap<string, Part | 'effect'>
}

/** Which value is what, by the usual names. */
function partsOf ({ value, line }: Definition, key: 'r' | 'p', refuse: Refuse): Columns {
  const at = new Map<Part | 'effect', number>()
  const partOf = new Map<string, Part | 'effect'>()
  for (const [index, name] of value.split(',').map(name => name.trim()).entries()) {
    const part = key === 'p' && name === 'eft' ? 'effect' : PARTS.get(name)
    if (part === undefined) {
      const reason = name === 'priority'
        ? BY_PRIORITY
        : `what '${name}' means is not known; ${key} may have sub, dom, obj, act${key === 'p' ? ', eft' : ''}`
      refuse(line, `${key}.${name}`, reason)
    } else if (at.has(part)) {
      refuse(line, `${key}.${name}`, `${key} has two values for the ${part}`)
    } else {
      at.set(part, index)
      partOf.set(name, part)
    }
  }
  for (const part of ['subject', 'object', 'action'] as const) {
    if (!at.has(part)) refuse(line, `${key} = ${value}`, `${key} has no ${part} (${PART_NAMES[part].join(', ')})`)
  }
  return { at, partOf }
}

function linkArity (definition: Definition | undefined, refuse: Refuse): number {
  if (definition === undefined) return 0
  const { value, line } = definition
  const arity = /^_(?:\s*,\s*_){1,2}$/.test(value) ? value.split(',').length : undefined
  if (arity === undefined) refuse(line, `g = ${value}`, "only 'g = _, _' and 'g = _, _, _' are imported: other roles have no equivalent")
  return arity ?? 0
}

interface Shape {
  readonly request: Columns
  readonly rule: Columns
  readonly arity: number
}

/** Reads the matcher: a conjunction of `g(…)` and of comparisons of a request's part with the same part of a rule. */
function modelOf ({ value, line }: Definition, { request, rule, arity }: Shape, refuse: Refuse): CasbinModel | undefined {
  const foreign = foreignParts(value)
  for (const { name, reason } of foreign) refuse(line, name, reason)
  if (foreign.length > 0) return undefined
  // By the names that the model defines: what it does not define is never equal in casbin.
  const partOf = (side = '', name = ''): Part | undefined => {
    const part = (side === 'r' ? request : rule).partOf.get(name)
    return part === 'effect' ? undefined : part
  }
  const compared = new Set<Part>()
  let asked: { arity: number, domainOf: string | undefined } | undefined
  for (const term of value.split('&&').map(withoutParentheses)) {
    const role = HAS_ROLE.exec(term)
    const [, left, leftName, right, rightName] = EQUALS.exec(term) ?? []
    const part = partOf(left, leftName)
    if (role !== null && asked === undefined && partOf('r', role[1]) === 'subject' && partOf('p', role[2]) === 'subject' &&
      (role[4] === undefined || partOf(role[3], role[4]) === 'domain')) {
      asked = { arity: role[4] === undefined ? 2 : 3, domainOf: role[3] }
    } else if (left !== undefined && left !== right && part !== undefined && part === partOf(right, rightName) && !compared.has(part)) {
      compared.add(part)
    } else {
      refuse(line, term, 'a policy compares the subject, domain, object and action of a request with those of a rule, and nothing else')
    }
  }
  for (const part of ['object', 'action'] as const) {
    if (compared.has(part)) continue
    refuse(line, part, `the matcher does not compare the ${part}: a rule would hold for each ${part}, and a policy lists them`)
  }
  checkSubject(line, { asked: asked?.arity, compared: compared.has('subject'), arity }, refuse)
  const isDomainCompared = compared.has('domain')
  if (rule.at.has('domain') && !isDomainCompared) refuse(line, 'p.dom', 'rules have a domain, and the matcher does not compare it')
  if (request.at.has('domain') && !isDomainCompared && arity !== 3) {
    refuse(line, 'r.dom', 'nothing depends on the domain of a request: rules hold in each domain, and a policy lists its tenants')
  }
  return {
    rule: {
      subject: rule.at.get('subject') ?? -1,
      object: rule.at.get('object') ?? -1,
      action: rule.at.get('action') ?? -1,
      domain: rule.at.get('domain'),
      effect: rule.at.get('effect'),
      count: rule.at.size
    },
    hasDomains: request.at.has('domain'),
    links: asked === undefined ? 'none' : asked.arity === 3 ? 'by domain' : 'everywhere'
  }
}

function checkSubject (
  line: number, { asked, compared, arity }: { asked: number | undefined, compared: boolean, arity: number }, refuse: Refuse
): void {
  if (asked !== undefined && compared) return refuse(line, 'g', 'the matcher compares the subject in two ways')
  if (asked === undefined && !compared) return refuse(line, 'subject', 'the matcher does not compare it: rules hold for every user')
  if (asked === undefined && arity > 0) return refuse(line, 'g', 'the model defines g, and the matcher does not use it')
  if (asked !== undefined && asked !== arity) refuse(line, 'g', `the matcher gives g ${asked} values, and its definition has ${arity}`)
}

/** A term, without the parentheses around the whole of it. */
function withoutParentheses (text: string): string {
  const term = text.trim()
  return /^\([^()]*\)$/.test(term) || /^\(g\s*\([^()]*\)\s*\)$/.test(term) ? term.slice(1, -1).trim() : term
}

/** What is in a matcher and in no policy, by name. */
function foreignParts (matcher: string): Array<{ readonly name: string, readonly reason: string }> {
  const found = new Map<string, string>()
  for (const [, name = ''] of matcher.matchAll(/([A-Za-z_]\w*)\s*\(/g)) {
    if (name === 'g') continue
    found.set(name, name === 'eval'
      ? 'a rule that is an expression (ABAC) has no equivalent; write a condition by hand: docs/conditions.md'
      : /^g\d+$/.test(name)
        ? 'a second kind of roles, such as groups of objects, has no equivalent'
        : /match|keyget/i.test(name)
          ? 'patterns have no equivalent: a policy lists resource types and actions'
          : 'a function of the matcher has no equivalent')
  }
  for (const [attribute] of matcher.matchAll(/\b[rp]\.\w+\.[\w.]+/g)) {
    found.set(attribute, 'a test of an attribute (ABAC) has no equivalent; write a condition by hand: docs/conditions.md')
  }
  if (matcher.includes('||')) found.set('||', 'alternatives, such as a user who may do everything, have no equivalent: use a role')
  for (const [literal] of matcher.matchAll(/"[^"]*"|'[^']*'/g)) found.set(literal, 'a comparison with a text has no equivalent')
  for (const [operator] of matcher.matchAll(/!=?|[<>]=?|\bin\b/g)) found.set(operator, 'this operator has no equivalent')
  return Array.from(found, ([name, reason]) => ({ name, reason }))
}
