// Two results side by side, so that a regression is seen: npm run bench -- --compare before.json --compare after.json
import type { Results } from './run.js'

/** A change of less than this is the machine's. */
const NOISE = 0.05

/** A line for each figure, ratios where there are some: they travel from machine to machine, absolute numbers do not. */
export function compare (before: Results, after: Results): string {
  const lines = [`before: ${describe(before)}`, `after:  ${describe(after)}`, '']
  const add = (what: string, from: number | undefined, to: number | undefined, moreIsBetter: boolean) => {
    if (from === undefined || to === undefined) return
    const change = to / from - 1
    const verdict = Math.abs(change) < NOISE ? '' : (change > 0) === moreIsBetter ? 'better' : 'WORSE'
    lines.push(`${what.padEnd(70)} ${number(from).padStart(10)} ${number(to).padStart(10)} ${`${(change * 100).toFixed(1)} %`.padStart(9)}  ${verdict}`)
  }
  for (const target of before.targets) {
    add(target.what, target.measured, after.targets.find(({ what }) => what === target.what)?.measured, target.wanted.startsWith('at least'))
  }
  for (const guard of before.guards) add(`ns, ${guard.name}`, guard.nanoseconds, after.guards.find(({ name }) => name === guard.name)?.nanoseconds, false)
  for (const row of before.http) add(`against bare, ${row.name}`, row.ratio, after.http.find(({ name }) => name === row.name)?.ratio, true)
  return lines.join('\n')
}

function describe ({ date, machine, quick }: Results): string {
  return `${date}, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}${quick ? ', quick' : ''}`
}

function number (value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3)
}
