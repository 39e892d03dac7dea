// A plan as lines for the terminal, as JSON, and as a comment on a pull request.
import { jsonLines, maybe, no, strong, yes, type Line } from '../terminal/line.js'
import { nameOf, type Moved } from '../../moving/moved-objects.js'
import type { MovePlan, Step } from '../../moving/move-plan.js'
import { canonicalJson } from '../../kit/canonical-json.js'
import { shorten } from '../../kit/shorten.js'

/** The most steps that are listed one by one. */
const MAX_LISTED = 200

/** The most characters of a value. */
const MAX_VALUE = 100

/** A plan, and where its objects are in the policy file. */
export interface PlanReport {
  readonly file: string
  readonly plan: MovePlan
  readonly linesOf: (paths: ReadonlyArray<Moved['path']>) => Array<number | undefined>
  /** What is said beside the plan. */
  readonly notes: readonly string[]
}

/** A step, in words. */
interface Told {
  readonly step: Step
  readonly name: string
  /** `permit.yaml:12`; undefined for what is not in the file. */
  readonly place: string | undefined
  /** What changes: `description: 'a' → 'b'`. */
  readonly changes: readonly string[]
}

const SIGNS = { create: '+', change: '~', replace: '±', delete: '-' } as const

/** Lines for the terminal. */
export function planLines (report: PlanReport): Line[] {
  const { plan, notes } = report
  const told = tell(report, plan.steps.slice(0, MAX_LISTED))
  return [
    ...told.flatMap(({ step: { op }, name, place, changes }): Line[] => {
      const paint = op === 'create' ? yes : op === 'delete' ? no : maybe
      return [
        [paint(`${SIGNS[op]} ${WORDS[op]}`), ` ${name}`, place === undefined ? '' : `  (${place})`],
        ...changes.map(change => `    ${change}`)
      ]
    }),
    ...(plan.steps.length > MAX_LISTED ? [`  … and ${plan.steps.length - MAX_LISTED} more`] : []),
    ...extraLines(plan),
    ...notes.map(note => [maybe('note: '), note]),
    strong(summaryOf(plan))
  ]
}

/** JSON for programs. Every step is in it. */
export function planJson (report: PlanReport): Line[] {
  const { plan, notes } = report
  return jsonLines({
    ...countsOf(plan),
    steps: tell(report, plan.steps).map(({ step: { op, object }, name, place, changes }) =>
      ({ op, kind: object.kind, keys: object.keys, name, place, changes })),
    only_in_environment: plan.extra.map(({ kind, keys, ...object }) => ({ kind, keys, name: nameOf({ kind, keys, ...object }) })),
    notes
  })
}

/** Markdown for a comment on a pull request. */
export function planMarkdown (report: PlanReport): Line[] {
  const { plan, notes, file } = report
  if (plan.steps.length === 0 && plan.extra.length === 0 && notes.length === 0) return [`**${code(file)}**: ${summaryOf(plan)}`]
  return [
    `**${code(file)}**: ${summaryOf(plan)}`,
    ...(plan.steps.length === 0 ? [] : ['', '| | Object | Change | Line |', '| --- | --- | --- | --- |']),
    ...tell(report, plan.steps.slice(0, MAX_LISTED)).map(({ step: { op }, name, place, changes }) =>
      `| ${WORDS[op]} | ${code(name)} | ${changes.map(code).join('<br>')} | ${place === undefined ? '' : code(place)} |`),
    ...(plan.steps.length > MAX_LISTED ? ['', `… and ${plan.steps.length - MAX_LISTED} more`] : []),
    ...(plan.extra.length === 0
      ? []
      : ['', `Only in the environment (\`--prune\` deletes ${plan.extra.length === 1 ? 'it' : 'them'}):`, '',
          ...plan.extra.slice(0, MAX_LISTED).map(object => `- ${code(nameOf(object))}`),
          ...(plan.extra.length > MAX_LISTED ? [`- … and ${plan.extra.length - MAX_LISTED} more`] : [])]),
    ...(notes.length === 0 ? [] : ['', ...notes.map(note => `- ${code(note)}`)])
  ]
}

/** `3 to create, 1 to change, 2 to delete.` */
export function summaryOf (plan: MovePlan): string {
  const counts = Object.entries(countsOf(plan)).filter(([, count]) => count > 0)
  if (counts.length === 0) return 'There is no difference.'
  return `${counts.map(([op, count]) => `${count} to ${op}`).join(', ')}.`
}

const WORDS = { create: 'create', change: 'change', replace: 'replace', delete: 'delete' } as const

function countsOf ({ steps }: MovePlan) {
  const counts = { create: 0, change: 0, replace: 0, delete: 0 }
  for (const { op } of steps) counts[op]++
  return counts
}

function extraLines ({ extra }: MovePlan): Line[] {
  if (extra.length === 0) return []
  return [
    `Only in the environment; --prune deletes ${extra.length === 1 ? 'it' : 'them'}:`,
    ...extra.slice(0, MAX_LISTED).map(object => `  ${nameOf(object)}`),
    ...(extra.length > MAX_LISTED ? [`  … and ${extra.length - MAX_LISTED} more`] : [])
  ]
}

/** Steps with their places and changes. */
function tell ({ file, linesOf }: PlanReport, steps: readonly Step[]): Told[] {
  const lines = linesOf(steps.map(({ object }) => object.path))
  return steps.map((step, index) => ({
    step,
    name: nameOf(step.object),
    place: step.op === 'delete' || lines[index] === undefined ? undefined : `${file}:${lines[index]}`,
    changes: changesOf(step)
  }))
}

function changesOf ({ op, object, before }: Step): string[] {
  if (before === undefined || op === 'create' || op === 'delete') return []
  const fixed = before.fixed === object.fixed || before.kind !== object.kind ? [] : [`${text(before.fixed)} → ${text(object.fixed)}`]
  const names = [...new Set([...Object.keys(before.value), ...Object.keys(object.value)])].sort()
  const changed = names.filter(name => canonicalJson(before.value[name]) !== canonicalJson(object.value[name]))
  return [...fixed, ...changed.flatMap(name => changeOf(name, before.value[name], object.value[name]))]
}

/** A list of texts is told by what comes and what goes. */
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

/** Text in backticks: nothing in it is read as Markdown or HTML, and no column ends in it. */
function code (text: string): string {
  const longest = Math.max(0, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  const padded = text.startsWith('`') || text.endsWith('`') ? ` ${text} ` : text
  return `${fence}${padded.replaceAll('|', '\\|').replaceAll(/[\r\n]+/g, ' ')}${fence}`
}
