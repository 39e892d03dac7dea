// Promises 1, 6, 7 and 8 against a PDP that misbehaves: every fault, one at a time and under load, singly and in bulk.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { EXTENSION, LOADER } from '../support/program.js'
import { MODES, TIMEOUT, type Row } from './matrix.js'
import type { Summary } from './run.js'
import { tableOf, writeTable } from './table.js'
import { wires, type Wire } from './wire.js'

/** Processes: faults take time of the processor, and there are many. */
const SHARES = 2
/** Ms beyond the deadline; and while a flood has to be read, and made. */
const SLACK = 300
const SLACK_IN_FLOOD = 3_000
const MAX_RECOVERY = 1_000
const MAX_MEMORY = 128 * 1024 * 1024

/** How often a fault whose answers came late is tried again, alone. A wrong answer is wrong at once. */
const TRIES = 3

// Run by itself, without the runner, it would have less.
t.setTimeout(600_000)

const program = fileURLToPath(new URL(`run.${EXTENSION}`, import.meta.url))

for (const wire of wires) {
  t.test(`${wire.name}: no fault of the PDP allows a request, delays it past its deadline, or leaves anything behind`, async t => {
    const shares = await Promise.all(Array.from({ length: SHARES }, (_, share) => run(wire, share)))
    const rows = await Promise.all(interleave(shares.map(share => share.rows)).map(row => late(row).length === 0 ? row : inTurn(() => again(wire, row))))
    t.ok(rows.length >= 40, `${rows.length} faults in ${MODES.length} modes`)
    t.equal(new Set(rows.map(row => row.name)).size, rows.length, 'each with a name of its own')
    for (const row of rows) t.same([...wrong(row), ...late(row)], [], row.name)
    const asked = rows.filter(row => row.asked)
    const inBulk = asked.filter(row => row.outcomes.some(({ bulks }) => bulks > 0))
    // On a machine with too much to do, all that wait may be past their deadline before they can go together.
    t.ok(inBulk.length > asked.length * 0.9, `${inBulk.length} of ${asked.length} faults met bulk requests`)
    t.same(shares.map(share => share.strayConnections), shares.map(() => 0), 'nothing went to another host')
    const table = tableOf(wire, rows)
    t.comment(`\n${table}`)
    if (process.argv.includes('--write')) await writeTable(wire, table)
  })
}

let turn: Promise<unknown> = Promise.resolve()

/** One after the other, so that none slows another down. */
async function inTurn<T> (task: () => Promise<T>): Promise<T> {
  const done = turn.then(task)
  turn = done.catch(() => {})
  return done
}

/** What was late while other processes wanted the processors may be in time without them. What was wrong remains. */
async function again (wire: Wire, row: Row): Promise<Row> {
  let last = row
  for (let attempt = 0; attempt < TRIES && wrong(last).length === 0 && late(last).length > 0; attempt++) {
    const [next] = (await run(wire, 0, row.name)).rows
    if (next === undefined) throw new Error(`${row.name} was not tried again`)
    last = next
  }
  return last
}

/** In a process of its own, so that what is measured is not the test runner. */
async function run (wire: Wire, share: number, only?: string): Promise<Summary & { rows: Row[] }> {
  const args = [program, wire.name, String(share), String(SHARES), ...only === undefined ? [] : [only]]
  const child = spawn(process.execPath, [...LOADER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const told: unknown[] = []
  for await (const line of createInterface({ input: child.stdout })) told.push(JSON.parse(line, (_, value) => value === null ? Infinity : value as unknown))
  const [code] = await closed as [number | null]
  if (code !== 0) throw new Error(`it ended with ${code}`)
  return { ...told.pop() as Summary, rows: told as Row[] }
}

/** In the order in which they were dealt, as far as those that ran together tell. */
function interleave (shares: readonly Row[][]): Row[] {
  return Array.from({ length: Math.max(...shares.map(share => share.length)) }, (_, index) => shares.flatMap(share => share[index] ?? [])).flat()
}

/** What a row says against the promises, however slow the machine is. */
function wrong ({ outcome: promised, taken, outcomes, memory, written }: Row): string[] {
  const found = outcomes.flatMap(({ mode, requests, unavailable, wrongAllows, wrongDenies, undocumented, remembered, wrongAfterwards }) => counted(mode, {
    'answered although there was no decision': promised === 'none' ? requests - unavailable : 0,
    'wrongly allowed': wrongAllows,
    'wrongly denied': wrongDenies,
    'answered in an undocumented way': undocumented,
    remembered,
    'wrong afterwards': wrongAfterwards
  }))
  if (memory > MAX_MEMORY) found.push(`${memory} bytes of memory`)
  if (taken !== undefined && written > taken) found.push(`${written} bytes were taken of an answer`)
  return found
}

/** What of a row came too late. */
function late ({ heavy, outcomes }: Row): string[] {
  const slack = heavy === true ? SLACK_IN_FLOOD : SLACK
  return outcomes.flatMap(({ mode, slowestAwake, recoveryAwake, undecidedAfterwards }) => counted(mode, {
    [`ms were taken, of ${TIMEOUT}`]: slowestAwake > TIMEOUT + slack ? slowestAwake : 0,
    'ms to recover': recoveryAwake > MAX_RECOVERY ? recoveryAwake : 0,
    'undecided afterwards': undecidedAfterwards
  }))
}

function counted (mode: string, counts: Record<string, number>): string[] {
  return Object.entries(counts).filter(([, count]) => count !== 0).map(([what, count]) => `${mode}: ${count} ${what}`)
}
