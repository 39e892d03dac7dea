// The fault matrix as a table for people.
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { MODES, TIMEOUT, type Outcome, type Row } from './matrix.js'
import type { Wire } from './wire.js'

const DOCUMENT = fileURLToPath(new URL('../../docs/faults.md', import.meta.url))

export function tableOf (wire: Wire, rows: readonly Row[]): string {
  const sum = (row: Row, count: (outcome: Outcome) => number) => row.outcomes.reduce((total, outcome) => total + count(outcome), 0)
  const most = (row: Row, value: (outcome: Outcome) => number) => Math.round(Math.max(...row.outcomes.map(value)))
  const lines = rows.map(row => [
    row.name.replaceAll('|', '\\|').replaceAll('__', '\\_\\_').replaceAll('<', '&lt;'),
    row.outcome === 'none' ? '503' : 'the truth, or 503',
    sum(row, ({ requests }) => requests),
    sum(row, ({ unavailable }) => unavailable),
    sum(row, ({ wrongAllows }) => wrongAllows),
    sum(row, ({ wrongDenies, undocumented }) => wrongDenies + undocumented),
    sum(row, ({ remembered, wrongAfterwards }) => remembered + wrongAfterwards),
    most(row, ({ slowest }) => slowest),
    most(row, ({ recovery }) => recovery),
    row.heavy === true ? Math.round(row.memory / 2 ** 20) : ''
  ].join(' | '))
  const total = (count: (outcome: Outcome) => number) => rows.reduce((total, row) => total + sum(row, count), 0)
  return [
    'fault | promised | requests | 503 | wrong allows | other wrong answers | kept of it | slowest, ms | recovery, ms | memory, MiB',
    '--- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---:',
    ...lines,
    '',
    `**${wire.name}: ${rows.length} faults, each in ${MODES.length} modes: ${total(({ requests }) => requests)} requests, ` +
    `${total(({ unavailable }) => unavailable)} of them 503, ${total(({ wrongAllows }) => wrongAllows)} wrong allows, ` +
    `${total(({ wrongDenies, undocumented }) => wrongDenies + undocumented)} other wrong answers, ` +
    `${total(({ remembered, wrongAfterwards }) => remembered + wrongAfterwards)} kept.** ` +
    `The slowest took ${Math.max(...rows.map(row => most(row, ({ slowest }) => slowest)))} ms with a deadline of ${TIMEOUT} ms; ` +
    `the slowest recovery, ${Math.max(...rows.map(row => most(row, ({ recovery }) => recovery)))} ms.`
  ].join('\n')
}

/** Puts the table of a wire into the document, between its marks. */
export async function writeTable (wire: Wire, table: string): Promise<void> {
  const document = await readFile(DOCUMENT, 'utf8')
  const [begin, end] = [`<!-- ${wire.name}: begin -->`, `<!-- ${wire.name}: end -->`]
  const [before, rest] = document.split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`docs/faults.md has no place for ${wire.name}`)
  await writeFile(DOCUMENT, `${before}${begin}\n\n${table}\n\n${end}${after}`)
}
