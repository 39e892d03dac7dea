// Evaluates a condition in part: the user, the tenant and the context are known, the row is not.
import { clockAttribute, clockText, unchangedUntil } from '../decide/clock.js'
import { walk } from '../decide/values.js'
import { isRecord } from '../../kit/is-record.js'
import { compareValues, type AttributeSource } from '../decide/conditions.js'
import { NoPlanError } from './plan-query.js'
import type { Conditions, Outcome } from './plan-conditions.js'
import type { Attribute, Group, Part, Test } from './split-condition.js'

/** What is compared: a value, or a field of the row or of an item in it. */
type Subject = { readonly known: unknown } | { readonly field: string }

/** Fields of the row that a condition names. */
export interface RowFields {
  /** The field of an attribute. */
  field (attribute: Attribute): string
  /** Reports that an object in the field affects the result: see {@link looksAtObjects}. */
  whole (field: string): void
}

/** Evaluates conditions in part. */
export class RowCondition {
  readonly #attributes: AttributeSource
  readonly #conditions: Conditions
  readonly #row: RowFields

  constructor (attributes: AttributeSource, conditions: Conditions, row: RowFields) {
    this.#attributes = attributes
    this.#conditions = conditions
    this.#row = row
  }

  /** Evaluates the condition. */
  of (part: Part): Outcome {
    switch (part.kind) {
      case 'known': return part.holds(this.#attributes)
      case 'attribute': return this.#test(part.test, this.#subject(part.attribute))
      default: return this.#group(part, inner => this.of(inner))
    }
  }

  #group<T> ({ kind, parts }: Group<T>, evaluate: (part: T) => Outcome): Outcome {
    this.#attributes.work.spend(1)
    const outcomes: Outcome[] = []
    for (const part of parts) {
      const outcome = evaluate(part)
      // Like a decision: the rest is not evaluated.
      if (outcome === (kind !== 'all')) return kind === 'any'
      outcomes.push(outcome)
    }
    if (kind === 'all') return this.#conditions.and(outcomes)
    const one = this.#conditions.or(outcomes)
    return kind === 'any' ? one : this.#conditions.not(one)
  }

  #subject (attribute: Attribute): Subject {
    if (attribute.scope === 'now') throw noPlanOfClock(attribute.name)
    if (attribute.scope === 'resource') return { field: this.#row.field(attribute) }
    return { known: walk(this.#attributes.lookup(attribute.scope, attribute.name), attribute.names) }
  }

  #test (test: Test, subject: Subject): Outcome {
    switch (test.kind) {
      case 'compare': {
        const { operator, operand } = test
        if (!('ref' in operand)) return this.#compare(operator, subject, { known: operand.literal })
        const { ref } = operand
        return this.#compare(operator, subject, ref.scope === 'now' ? this.#ofClock(operator, ref.name) : this.#subject(ref))
      }
      case 'match': return this.#match(test, subject)
      default: return this.#group(test, inner => this.#test(inner, subject))
    }
  }

  /** Parts of wall clocks can be compared as texts; instants and orders cannot: texts of the row may have other zones and forms. */
  #ofClock (operator: string, name: string): Subject {
    const clock = clockAttribute(name)
    const { now } = this.#attributes
    if ('mistake' in clock || !BY_TEXT.includes(operator)) throw noPlanOfClock(name)
    if (now === undefined) return { known: undefined }
    this.#attributes.changesAt(unchangedUntil(clock, now, undefined))
    return { known: clockText(clock, now) }
  }

  #compare (operator: string, subject: Subject, operand: Subject): Outcome {
    this.#attributes.work.spend(1)
    const field = 'field' in subject ? subject.field : 'field' in operand ? operand.field : undefined
    if (operator === 'ip_in' && field !== undefined) {
      const message = `'ip_in' compares '${field}' of the row, and databases do not compare IP ranges alike`
      throw new NoPlanError(`${message}. Check each row, with filter`)
    }
    if ('field' in subject && 'field' in operand) {
      this.#whole(subject.field)
      this.#whole(operand.field)
      return this.#conditions.comparedFields(operator, subject.field, operand.field)
    }
    if ('field' in subject) {
      const { known } = operand as { readonly known: unknown }
      if (known === undefined) return false
      if (looksAtObjects(operator, known)) this.#whole(subject.field)
      return this.#conditions.compared(operator, subject.field, known)
    }
    if (subject.known === undefined) return false
    if ('field' in operand) {
      if (hasObject(subject.known)) this.#whole(operand.field)
      return this.#conditions.comparedWith(subject.known, operator, operand.field)
    }
    return compareValues(operator, subject.known, operand.known, this.#attributes)
  }

  #match ({ operator, fields }: Test & { kind: 'match' }, subject: Subject): Outcome {
    if ('field' in subject) {
      if (operator === 'object_match') this.#whole(subject.field)
      const inner = fields.map(({ path, test }) => this.#test(test, { field: `item.${path}` }))
      return this.#conditions.match(operator, subject.field, this.#conditions.and(inner))
    }
    const { known } = subject
    this.#attributes.work.spend(1)
    const matches = (item: Record<string, unknown>): Outcome => {
      this.#attributes.work.spend(1)
      return this.#conditions.and(fields.map(({ names, test }) => this.#test(test, { known: walk(item, names) })))
    }
    if (operator === 'object_match') return isRecord(known) && matches(known)
    if (!Array.isArray(known)) return false
    this.#attributes.work.spend(known.length)
    if (operator === 'any_match') return this.#conditions.or(known.filter(isRecord).map(matches))
    return known.every(isRecord) && this.#conditions.and(known.map(matches))
  }

  #whole (field: string): void {
    if (!field.startsWith('item.')) this.#row.whole(field)
  }
}

/**
 * The operators that compare the clock by its text, see `decide/clock.ts`. Not `not-equals`: it is false of a text that is no date, time or
 * weekday, and a database would find it different.
 */
const BY_TEXT: readonly string[] = ['equals', 'array_contains']

function noPlanOfClock (name: string): NoPlanError {
  const message = `'${name}' is compared with a value of the row, and a column may hold times in any form`
  return new NoPlanError(`${message}. Check each row, with filter`)
}

/**
 * Whether an object in the row could pass the comparison, or not pass it, because of what is in it. Objects are united with stored ones,
 * lists are not.
 */
function looksAtObjects (operator: string, value: unknown): boolean {
  if (operator === 'equals' || operator === 'not-equals') return isRecord(value)
  return operator === 'in' && hasObject(value)
}

function hasObject (value: unknown): boolean {
  return isRecord(value) || (Array.isArray(value) && value.some(isRecord))
}
