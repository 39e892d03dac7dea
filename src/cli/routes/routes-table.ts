// The routes of an app as a table: for the terminal, and in Markdown.
import type { RouteRow } from '../../fastify/route-table.js'
import { printable } from '../../kit/printable.js'
import { widthOf } from '../terminal/columns.js'
import { faint, no, strong, yes, type Line, type Painted } from '../terminal/styled-line.js'

const HEADINGS = ['Method', 'URL', 'Requires', 'Resource', 'Tenant']

/** Returns the lines of the table, in columns. */
export function routesText (rows: readonly RouteRow[]): Line[] {
  const table = [HEADINGS, ...rows.map(cellsOf)].map(cells => cells.map(printable))
  const widths = HEADINGS.map((_, column) => Math.max(...table.map(cells => widthOf(cells[column] ?? ''))))
  return table.map((cells, index) => cells.flatMap((cell, column) => {
    const padded = cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)) + 2)
    const row = rows[index - 1]
    if (row === undefined) return [strong(padded)]
    return [column === 2 ? paintOf(row)(padded) : padded]
  }))
}

/** Returns the lines of the table in Markdown. */
export function routesMarkdown (rows: readonly RouteRow[]): Line[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(HEADINGS),
    line(HEADINGS.map(() => '---')),
    ...rows.map(row => line(cellsOf(row).map(printable).map((cell, column) => column === 1 ? markdownCode(cell) : markdownText(cell))))
  ]
}

/** Escapes text for a cell of a table: no links, images, emphasis, HTML or end of the cell. */
function markdownText (text: string): string {
  return text.replace(/[\\`*_[\]<>|&~]/g, character => `\\${character}`)
}

/** Code in a cell of a table. A fence of backticks longer than any in the text; a bar ends the cell even in code. */
function markdownCode (text: string): string {
  const fence = '`'.repeat(Math.max(0, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length)) + 1)
  const padding = text.startsWith('`') || text.endsWith('`') ? ' ' : ''
  return `${fence}${padding}${text.replaceAll('|', '\\|')}${padding}${fence}`
}

function cellsOf (row: RouteRow): string[] {
  const { method, url, constraints, resource, tenant } = row
  const shown = Object.keys(constraints).length === 0 ? url : `${url} ${JSON.stringify(constraints)}`
  return [method, shown, requirementOf(row), resource ?? '', tenant ?? '']
}

function requirementOf ({ permission, public: isPublic, guardedBy }: RouteRow): string {
  if (permission !== null) return permission
  if (isPublic) return 'public'
  return guardedBy === 'unknown' ? 'unknown: declared before fastify-permit' : 'nothing; not declared public'
}

function paintOf ({ permission, public: isPublic }: RouteRow): (text: string) => Painted {
  if (permission !== null) return yes
  return isPublic ? faint : no
}
