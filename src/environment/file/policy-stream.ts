// A policy in JSON, compiled as it is read: the schema first, then the facts, a few records at a time. The document is never in memory
// as a whole.
import { compileInSteps } from '../../engine/policy/compile-policy.js'
import { KEYED_SECTIONS, LISTED_SECTIONS, type FactRecords, type FactSection } from '../../engine/policy/fact-records.js'
import { policyChecker, type Policy } from '../../engine/policy/policy.js'
import { PolicyError } from '../../engine/policy/problems.js'
import { withoutWildcards } from '../../engine/policy/wildcards.js'
import { readJson } from '../../kit/read-json.js'
import { membersOf } from '../../kit/unambiguous-json.js'
import { offsetsOf, placesOf } from './json-places.js'
import { sectionsOf, type Piece, type Section } from './json-scan.js'
import type { LoadedPolicy } from './loaded-policy.js'
import { partsWithLines, type PolicyLines } from './policy-lines.js'

/** The document cannot be read in this way: it is not JSON, or it has a mistake. Parsing it as a whole reports the mistake. */
class NotStreamed extends Error {}

/**
 * Compiles a policy, in steps.
 *
 * Returns undefined for a document that is not JSON, or that has any mistake.
 */
export function * streamPolicy (text: string): Generator<undefined, LoadedPolicy | undefined> {
  try {
    const sections = yield * sectionsOf(text)
    if (sections === undefined) return undefined
    const schema = schemaIn(text, sections)
    const records = recordsIn(text, sections)
    const compiled = yield * compileInSteps(schema, { strict: true, records })
    const lines = linesIn(text, sections, schema)
    return { schema: withoutWildcards(schema), compiled, lines, compileWith: other => compileInSteps(other, { records }) }
  } catch (error) {
    if (error instanceof NotStreamed || error instanceof PolicyError) return undefined
    throw error
  }
}

const FACTS: ReadonlySet<string> = new Set<FactSection>([...KEYED_SECTIONS, ...LISTED_SECTIONS])

/** The document without its facts. */
function schemaIn (text: string, sections: ReadonlyMap<string, Section>): Policy {
  const members: Array<readonly [string, unknown]> = []
  for (const [key, section] of sections) {
    if (!FACTS.has(key)) members.push([key, valueOf(text.slice(section.start, section.end), section.members)])
  }
  // Not checked yet: the compiler does it.
  return Object.fromEntries(members) as Policy
}

/** The facts of the document; each section is parsed when it is iterated. */
function recordsIn (text: string, sections: ReadonlyMap<string, Section>): FactRecords {
  return {
    owned: true,
    * keyed (name) {
      for (const records of piecesOf(text, sections.get(name), name, 'object')) {
        for (const key of Object.keys(records)) yield [key, (records as Record<string, unknown>)[key]]
      }
    },
    * listed (name) {
      let index = 0
      for (const records of piecesOf(text, sections.get(name), name, 'list')) {
        for (const record of records as unknown[]) yield [index++, record]
      }
    }
  }
}

function * piecesOf (text: string, section: Section | undefined, name: FactSection, kind: 'list' | 'object'): Generator<object> {
  if (section === undefined) return
  if (section.kind !== kind) throw new NotStreamed()
  const [open, close] = kind === 'list' ? '[]' : '{}'
  for (const piece of section.pieces) {
    const records = valueOf(`${open}${text.slice(piece.start, piece.end)}${close}`, piece.members)
    // A trailing comma.
    if (piece !== section.pieces[0] && isEmpty(records)) throw new NotStreamed()
    if (!policyChecker.Check({ [name]: records })) throw new NotStreamed()
    yield records as object
  }
}

/** Parses a value, and requires as many members as in its text: duplicate keys become one member. */
function valueOf (text: string, members: Piece['members']): unknown {
  let value: unknown
  try {
    value = readJson(text)
  } catch {
    throw new NotStreamed()
  }
  if (membersOf(value) !== members) throw new NotStreamed()
  return value
}

function isEmpty (records: unknown): boolean {
  return Array.isArray(records) ? records.length === 0 : Object.keys(records as object).length === 0
}

function linesIn (text: string, sections: ReadonlyMap<string, Section>, schema: Policy): PolicyLines {
  const lines = new Map<string, number>()
  const paths = partsWithLines(schema)
  for (const [key, section] of sections) {
    const inSection = paths.filter(([first]) => first === key)
    if (inSection.length === 0) continue
    const places = placesOf(text, offsetsOf(text, inSection.map(path => path.slice(1)), section.start))
    inSection.forEach((path, index) => lines.set(JSON.stringify(path), places[index]?.line ?? 1))
  }
  return lines
}
