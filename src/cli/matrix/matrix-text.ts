// The tables of a policy as text, in the columns of the terminal.
import { listOf } from '../../kit/list-names.js'
import { printable } from '../../kit/printable.js'
import { fit, widthOf, wrap } from '../terminal/columns.js'
import { faint, maybe, strong, yes, type Line } from '../terminal/styled-line.js'
import { headingOf, SIGNS, type PermissionMatrix, type PermissionTable, type TenantTables } from './permission-matrix.js'

const PAINTS = { always: yes, depends: maybe, never: faint } as const

/** Columns of a name at most. */
const MAX_NAME = 32

/** Names in a list; the others are only counted. */
const MAX_NAMES = 50

const DEPENDS = 'depends on the resource, on the context, or on a role on single resources'
const LEGEND = `${SIGNS.always} always   ${SIGNS.depends} ${DEPENDS}   ${SIGNS.never} never`

/** Returns the lines of the tables. */
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

function ofTenant (tenant: TenantTables, columns: number): Line[] {
  const { types, instances, without } = tenant
  const tables = [
    ...types.map(table => ofTable(table.type, table, columns)),
    ...instances.map(table => ofTable(table.instance, table, columns))
  ]
  const lines = [strong(headingOf(tenant)), ...tables.flatMap(table => ['', ...table])]
  if (without.length > 0) {
    const names = listOf(without.map(printable), MAX_NAMES)
    lines.push('', ...wrap(`No permissions here: ${names}`, columns - 2).map(line => `  ${line}`))
  }
  return lines
}

function ofTables (title: string, tables: readonly PermissionTable[], columns: number): Line[] {
  return tables.length === 0 ? [] : [strong(title), ...tables.flatMap(table => ['', ...ofTable(table.type, table, columns)])]
}

/** The lines of a table. Actions that do not fit into a line continue in another table below. */
function ofTable (title: string, { actions, rows }: PermissionTable, columns: number): Line[] {
  const names = [title, ...rows.map(({ name }) => name)].map(printable)
  const nameWidth = names.reduce((width, name) => Math.min(MAX_NAME, Math.max(width, widthOf(name))), 0)
  const headings = actions.map(printable)
  const widths = headings.map(heading => Math.min(MAX_NAME, widthOf(heading)))
  return chunks(widths, columns - nameWidth - 2).flatMap((indexes, part) => [
    ...(part === 0 ? [] : ['']),
    ['  ', strong(fit(names[0] ?? '', nameWidth)), ...indexes.map(index => `  ${fit(headings[index] ?? '', widths[index] ?? 0)}`)],
    ...rows.map(({ cells }, row): Line => [`  ${fit(names[row + 1] ?? '', nameWidth)}`, ...indexes.flatMap(index => {
      const { may } = cells[index] ?? { may: 'never' }
      return ['  ', PAINTS[may](SIGNS[may]), ' '.repeat(Math.max(0, (widths[index] ?? 0) - 1))]
    })])
  ])
}

/** Splits the indexes of columns into lines, with at least one in each. */
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
