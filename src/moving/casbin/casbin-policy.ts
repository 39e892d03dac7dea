// Reads casbin's policy.csv, line by line, as casbin's own file adapter does. What that adapter reads in a surprising way is refused.
import type { CasbinModel } from './casbin-model.js'
import type { CasbinRefusal } from './casbin-refusal.js'

/** A rule `p`: the subject may do the action on the object. */
export interface CasbinRule {
  readonly line: number
  readonly subject: string
  readonly object: string
  readonly action: string
  /** Undefined: in every domain. */
  readonly domain: string | undefined
}

/** A line `g`: the member has the role. */
export interface CasbinLink {
  readonly line: number
  readonly member: string
  readonly role: string
  /** Undefined: in every domain. */
  readonly domain: string | undefined
}

/** What is in a file. */
export interface CasbinPolicy {
  readonly rules: readonly CasbinRule[]
  readonly links: readonly CasbinLink[]
  /** The lines that casbin ignores, because the model does not define their type. */
  readonly ignored: readonly number[]
  readonly refused: readonly CasbinRefusal[]
}

/** Lines between two reports of progress. */
const STEP = 10_000

/** Control characters, of which csv knows some as the ends of records. Tabs are blanks. */
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/ // eslint-disable-line no-control-regex

/**
 * Reads a policy.
 *
 * @param file - its name in refusals
 * @param onProgress - is told how many lines are read, from time to time
 */
export function readCasbinPolicy (
  text: string, file: string, model: CasbinModel, onProgress: (done: number, total: number) => void = () => {}
): CasbinPolicy {
  const rules: CasbinRule[] = []
  const links: CasbinLink[] = []
  const ignored: number[] = []
  const refused: CasbinRefusal[] = []
  const lines = text.split('\n')
  for (const [index, raw] of lines.entries()) {
    if (index % STEP === 0) onProgress(index, lines.length)
    const line = index + 1
    const refuse = (name: string, reason: string): void => { refused.push({ file, line, name, reason }) }
    if (raw.trim() === '' || raw.trim().startsWith('#')) continue
    const values = valuesOf(raw.replace(/\r$/, ''))
    if (typeof values === 'string') {
      refuse(raw.trim(), values)
    } else if (values[0] === 'p') {
      const rule = ruleOf(values.slice(1), line, model, refuse)
      if (rule !== undefined) rules.push(rule)
    } else if (values[0] === 'g' && model.links !== 'none') {
      const link = linkOf(values.slice(1), line, model, refuse)
      if (link !== undefined) links.push(link)
    } else {
      ignored.push(line)
    }
  }
  return { rules, links, ignored, refused }
}

/** The values of a line; a text says why it is refused. */
function valuesOf (line: string): string[] | string {
  if (CONTROL.test(line)) return 'the line has a control character'
  const values: string[] = []
  for (let rest = line; ;) {
    const [whole, quoted, plain = ''] = /^[ \t]*(?:"([^"]*)"[ \t]*(?=,|$)|([^,]*))/.exec(rest) ?? ['']
    if (quoted === undefined && plain.includes('"')) return 'quotes must be around the whole value, without quotes in it'
    const value = (quoted ?? plain).trim()
    // The adapter joins values until their parentheses are closed.
    if (value.split('(').length !== value.split(')').length) return 'casbin joins values while a parenthesis is open; remove it'
    values.push(value)
    if (whole.length === rest.length) return values
    rest = rest.slice(whole.length + 1)
  }
}

type Refuse = (name: string, reason: string) => void

function ruleOf (values: readonly string[], line: number, { rule }: CasbinModel, refuse: Refuse): CasbinRule | undefined {
  // The effect may be left out where it is the last value: then the rule allows.
  const least = rule.effect === rule.count - 1 ? rule.count - 1 : rule.count
  const name = `p, ${values.join(', ')}`
  if (values.length < least || values.length > rule.count) {
    refuse(name, `a rule has ${rule.count} values, and this one has ${values.length}`)
    return undefined
  }
  const valueAt = (index: number): string => values[index] ?? ''
  const effect = rule.effect === undefined ? '' : valueAt(rule.effect)
  if (effect !== '' && effect !== 'allow') {
    refuse(effect, effect === 'deny' ? 'a rule that denies: a policy only allows' : 'this effect is not allow, and a policy only allows')
    return undefined
  }
  const [subject, object, action] = [valueAt(rule.subject), valueAt(rule.object), valueAt(rule.action)]
  const domain = rule.domain === undefined ? undefined : valueAt(rule.domain)
  if ([subject, object, action, domain].includes('')) {
    refuse(name, 'a value is empty')
    return undefined
  }
  return { line, subject, object, action, domain }
}

function linkOf (values: readonly string[], line: number, { links }: CasbinModel, refuse: Refuse): CasbinLink | undefined {
  const count = links === 'by domain' ? 3 : 2
  const name = `g, ${values.join(', ')}`
  const [member = '', role = '', domain] = values
  if (values.length !== count) refuse(name, `the model defines g with ${count} values, and this line has ${values.length}`)
  else if (values.includes('')) refuse(name, 'a value is empty')
  else return { line, member, role, domain }
  return undefined
}
