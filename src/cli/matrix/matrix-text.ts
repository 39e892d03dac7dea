// The tables of a policy as text, in as many columns as the terminal has.
import { listOf } from '../../kit/names.js'
import { printable } from '../../kit/printable.js'
import { fit, widthOf, wrap } from '../terminal/columns.js'
import { faint, maybe, strong, yes, type Line } from '../terminal/line.js'
import type { PermissionMatrix, PermissionTable, TenantTables } from './permission-matrix.js'

const SIGNS = { always: '✓', depends: '~', never: '·' } as const

const PAINTS = { always: yes, depends: maybe, never: faint } as const

/** What a name may take of a line, at most: the rest is for what it is about. */
const MAX_NAME = 32

/** Names in a list, before the others are only counted. */
const MAX_NAMES = 50

const LEGEND = `${SIGNS.always} always   ${SIGNS.depends} depends on the resource, on the circumstances, or on a role on single resources   ${SIGNS.never} never`

/** The lines. */
export function matrixText (matrix: PermissionMatrix, columns: number): Line[] {
  const sections = [
    ...matrix.tenants.map(tenant => ofTenant(tenant, columns)),
    ofTables('Roles', matrix.roles, columns),
    ofTables('Roles on single resources', matrix.resource_roles, columns),
    matrix.rules.length === 0 ? [] : [strong('Rules'), '', ...matrix.rules.map(rule => `  ${rule}`)],
    wrap(LEGEND, columns)
  ]
  return sections.filter(lines => lines.length > 0).flatMap((lines, index) => index === 0 ? lines : ['', ...lines])
}

function ofTenant ({ tenant, name, types, instances, without }: TenantTables, columns: number): Line[] {
  const title = `Tenant ${tenant}${name === undefined ? '' : ` (${name})`}`
  const tables = [...types.map(table => ofTable(table.type, table, columns)), ...instances.map(table => ofTable(table.instance, table, columns))]
  const lines = [strong(title), ...tables.flatMap(table => ['', ...table])]
  if (without.length > 0) lines.push('', ...wrap(`May do nothing here: ${listOf(without.map(printable), MAX_NAMES)}`, columns - 2).map(line => `  ${line}`))
  return lines
}

function ofTables (title: string, tables: readonly PermissionTable[], columns: number): Line[] {
  return tables.length === 0 ? [] : [strong(title), ...tables.flatMap(table => ['', ...ofTable(table.type, table, columns)])]
}

/** A table; one below the other where not all actions fit into a line. */
function ofTable (title: string, { actions, rows }: PermissionTable, columns: number): Line[] {
  const names = [title, ...rows.map(({ name }) => name)].map(printable)
  const nameWidth = names.reduce((width, name) => Math.min(MAX_NAME, Math.max(width, widthOf(name))), 0)
  const widths = actions.map(action => Math.min(MAX_NAME, widthOf(printable(action))))
  return chunks(widths, columns - nameWidth - 2).flatMap((indexes, part) => [
    ...(part === 0 ? [] : ['']),
    ['  ', strong(fit(names[0] ?? '', nameWidth)), ...indexes.map(index => `  ${fit(printable(actions[index] ?? ''), widths[index] ?? 0)}`)],
    ...rows.map(({ cells }, row): Line => [`  ${fit(names[row + 1] ?? '', nameWidth)}`, ...indexes.flatMap(index => {
      const { may } = cells[index] ?? { may: 'never' }
      return ['  ', PAINTS[may](SIGNS[may]), ' '.repeat(Math.max(0, (widths[index] ?? 0) - 1))]
    })])
  ])
}

/** Indexes of columns, line by line; at least one in each. */
function chunks (widths: readonly number[], room: number): number[][] {
  const lines: number[][] = []
  let left = 0
  widths.forEach((width, index) => {
    if (lines.length === 0 || width + 2 > left) {
      lines.push([])
      left = room
    }
    lines.at(-1)?.push(index)
    left -= width + 2
  })
  return lines
}
