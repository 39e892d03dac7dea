// The routes of an app as a table: for the terminal, and in Markdown.
import type { RouteRow } from '../../fastify/route-table.js'
import type { Colors } from '../terminal/colors.js'
import { printable, widthOf } from '../terminal/printable.js'

const HEADINGS = ['Method', 'URL', 'Requires', 'Resource', 'Tenant']

/** The lines, in columns. */
export function routesText (rows: readonly RouteRow[], colors: Colors): string[] {
  const table = [HEADINGS, ...rows.map(cellsOf)].map(cells => cells.map(printable))
  const widths = HEADINGS.map((_, column) => Math.max(...table.map(cells => widthOf(cells[column] ?? ''))))
  return table.map((cells, index) => cells.map((cell, column) => {
    const padded = cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)))
    if (index === 0) return colors.strong(padded)
    return column === 2 ? paintOf(rows[index - 1] as RouteRow, colors)(padded) : padded
  }).join('  ').trimEnd())
}

/** The lines of a table in Markdown. */
export function routesMarkdown (rows: readonly RouteRow[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => printable(cell).replaceAll('|', '\\|')).join(' | ')} |`
  return [line(HEADINGS), line(HEADINGS.map(() => '---')), ...rows.map(row => line(cellsOf(row).map((cell, column) => column === 1 ? `\`${cell}\`` : cell)))]
}

function cellsOf (row: RouteRow): string[] {
  const { method, url, constraints, resource, tenant } = row
  const shown = Object.keys(constraints).length === 0 ? url : `${url} ${JSON.stringify(constraints)}`
  return [method, shown, requirementOf(row), resource ?? '', tenant ?? '']
}

function requirementOf ({ permission, public: isPublic, guardedBy }: RouteRow): string {
  if (permission !== null) return permission
  if (isPublic) return 'public'
  return guardedBy === 'unknown' ? 'unknown: declared before fastify-permit' : 'nothing, and is not declared public'
}

function paintOf ({ permission, public: isPublic }: RouteRow, colors: Colors): (text: string) => string {
  if (permission !== null) return colors.yes
  return isPublic ? colors.faint : colors.no
}
