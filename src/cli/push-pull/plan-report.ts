// A plan as lines for the terminal, as JSON, and as a comment on a pull request.
import { jsonLines, maybe, no, strong, yes, type Line } from '../terminal/styled-line.js'
import { nameOf, type Moved } from '../../moving/moved-objects.js'
import type { MovePlan, Step } from '../../moving/move-plan.js'
import { canonicalJson } from '../../kit/canonical-json.js'
import { shorten } from '../../kit/shorten.js'

/** The most steps that are listed one by one. */
const MAX_LISTED = 200

/** The most characters of a value. */
const MAX_VALUE = 100

/** A plan in words: for objects of Permit's API, or of another engine. */
export interface PlanReport {
  readonly file: string
  /** What each step does, in order. */
  readonly ops: ReadonlyArray<Step['op']>
  /** The first of the steps. */
  readonly tell: (count: number) => readonly Told[]
  /** The number of objects that only the target has, and that stay. */
  readonly extraCount: number
  /** The first of them. */
  readonly tellExtra: (count: number) => readonly Named[]
  /** The name of the target: `environment`. */
  readonly there: string
  /** Additional notes. */
  readonly notes: readonly string[]
}

/** The name of an object. */
export interface Named {
  readonly kind: string
  readonly keys: readonly string[]
  readonly name: string
}

/** A step, in words. */
export interface Told extends Named {
  readonly op: Step['op']
  /** `permit.yaml:12`; undefined for objects that are not in the file. */
  readonly place: string | undefined
  /** What changes: `description: 'a' → 'b'`. */
  readonly changes: readonly string[]
}

/** A plan for Permit's API, with what its report needs. */
export interface MoveToTell {
  readonly file: string
  readonly plan: MovePlan
  readonly linesOf: (paths: ReadonlyArray<Moved['path']>) => Array<number | undefined>
  readonly notes: readonly string[]
}

/** The report of a plan for Permit's API. */
export function reportOf ({ file, plan: { steps, extra }, linesOf, notes }: MoveToTell): PlanReport {
  return {
    file,
    ops: steps.map(({ op }) => op),
    tell: count => tell(file, linesOf, steps.slice(0, count)),
    extraCount: extra.length,
    tellExtra: count => extra.slice(0, count).map(namedOf),
    there: 'environment',
    notes
  }
}

const SIGNS = { create: '+', change: '~', replace: '±', delete: '-' } as const

/** Lines for the terminal. */
export function planLines (report: PlanReport): Line[] {
  const { ops, notes } = report
  return [
    ...report.tell(MAX_LISTED).flatMap(({ op, name, place, changes }): Line[] => {
      const paint = op === 'create' ? yes : op === 'delete' ? no : maybe
      return [
        [paint(`${SIGNS[op]} ${WORDS[op]}`), ` ${name}`, place === undefined ? '' : `  (${place})`],
        ...changes.map(change => `    ${change}`)
      ]
    }),
    ...(ops.length > MAX_LISTED ? [`  … and ${ops.length - MAX_LISTED} more`] : []),
    ...extraLines(report),
    ...notes.map(note => [maybe('note: '), note]),
    strong(summaryOf(ops))
  ]
}

/** JSON for programs. Every step is in it. */
export function planJson (report: PlanReport): Line[] {
  const { ops, extraCount, there, notes } = report
  return jsonLines({
    ...countsOf(ops),
    steps: report.tell(ops.length),
    [`only_in_${there}`]: report.tellExtra(extraCount),
    notes
  })
}

/** Markdown for a comment on a pull request. */
export function planMarkdown (report: PlanReport): Line[] {
  const { ops, extraCount, there, notes, file } = report
  if (ops.length === 0 && extraCount === 0 && notes.length === 0) return [`**${code(file)}**: ${summaryOf(ops)}`]
  return [
    `**${code(file)}**: ${summaryOf(ops)}`,
    ...(ops.length === 0 ? [] : ['', '| | Object | Change | Line |', '| --- | --- | --- | --- |']),
    ...report.tell(MAX_LISTED).map(({ op, name, place, changes }) =>
      `| ${WORDS[op]} | ${code(name)} | ${changes.map(code).join('<br>')} | ${place === undefined ? '' : code(place)} |`),
    ...(ops.length > MAX_LISTED ? ['', `… and ${ops.length - MAX_LISTED} more`] : []),
    ...(extraCount === 0
      ? []
      : ['', `Only in the ${there} (\`--prune\` deletes ${extraCount === 1 ? 'it' : 'them'}):`, '',
          ...report.tellExtra(MAX_LISTED).map(({ name }) => `- ${code(name)}`),
          ...(extraCount > MAX_LISTED ? [`- … and ${extraCount - MAX_LISTED} more`] : [])]),
    ...(notes.length === 0 ? [] : ['', ...notes.map(note => `- ${code(note)}`)])
  ]
}

/** `3 to create, 1 to change, 2 to delete.` */
export function summaryOf (ops: PlanReport['ops']): string {
  const counts = Object.entries(countsOf(ops)).filter(([, count]) => count > 0)
  if (counts.length === 0) return 'There is no difference.'
  return `${counts.map(([op, count]) => `${count} to ${op}`).join(', ')}.`
}

const WORDS = { create: 'create', change: 'change', replace: 'replace', delete: 'delete' } as const

function countsOf (ops: PlanReport['ops']) {
  const counts = { create: 0, change: 0, replace: 0, delete: 0 }
  for (const op of ops) counts[op]++
  return counts
}

function extraLines ({ extraCount, tellExtra, there }: PlanReport): Line[] {
  if (extraCount === 0) return []
  return [
    `Only in the ${there}; --prune deletes ${extraCount === 1 ? 'it' : 'them'}:`,
    ...tellExtra(MAX_LISTED).map(({ name }) => `  ${name}`),
    ...(extraCount > MAX_LISTED ? [`  … and ${extraCount - MAX_LISTED} more`] : [])
  ]
}

/** Steps with their places and changes. */
function tell (file: string, linesOf: MoveToTell['linesOf'], steps: readonly Step[]): Told[] {
  const lines = linesOf(steps.map(({ object }) => object.path))
  return steps.map((step, index) => ({
    op: step.op,
    ...namedOf(step.object),
    place: step.op === 'delete' || lines[index] === undefined ? undefined : `${file}:${lines[index]}`,
    changes: changesOf(step)
  }))
}

function namedOf (object: Moved): Named {
  return { kind: object.kind, keys: object.keys, name: nameOf(object) }
}

function changesOf ({ op, object, before }: Step): string[] {
  if (before === undefined || op === 'create' || op === 'delete') return []
  const fixed = before.fixed === object.fixed || before.kind !== object.kind ? [] : [`${text(before.fixed)} → ${text(object.fixed)}`]
  const names = [...new Set([...Object.keys(before.value), ...Object.keys(object.value)])].sort()
  const changed = names.filter(name => canonicalJson(before.value[name]) !== canonicalJson(object.value[name]))
  return [...fixed, ...changed.flatMap(name => changeOf(name, before.value[name], object.value[name]))]
}

/** A change of a list is shown by its added and removed items. */
function changeOf (name: string, before: unknown, after: unknown): string[] {
  if (isTexts(before ?? []) && isTexts(after ?? []) && (before ?? after) !== undefined) {
    const [old, now] = [new Set(before as string[] | undefined), new Set(after as string[] | undefined)]
    const added = [...now].filter(item => !old.has(item)).map(item => `+ ${item}`)
    const removed = [...old].filter(item => !now.has(item)).map(item => `- ${item}`)
    return [`${name}: ${[...added, ...removed].join(', ')}`]
  }
  return [`${name}: ${text(before)} → ${text(after)}`]
}

function isTexts (value: unknown): boolean {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

function text (value: unknown): string {
  return value === undefined ? 'nothing' : shorten(JSON.stringify(value), MAX_VALUE)
}

/** Text in backticks, escaped so that it contains no Markdown, HTML or end of a column. */
function code (text: string): string {
  const longest = Math.max(0, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  const padded = text.startsWith('`') || text.endsWith('`') ? ` ${text} ` : text
  return `${fence}${padded.replaceAll('|', '\\|').replaceAll(/[\r\n]+/g, ' ')}${fence}`
}
