// The tables of a policy as text, in as many columns as the terminal has.
import type { Colors } from '../terminal/colors.js'
import type { PermissionMatrix, PermissionTable, TenantTables } from './permission-matrix.js'
import { fit, namesOf, printable, widthOf, wrap } from '../terminal/printable.js'

const SIGNS = { always: '✓', depends: '~', never: '·' } as const

/** What a name may take of a line, at most: the rest is for what it is about. */
const MAX_NAME = 32

const LEGEND = `${SIGNS.always} always   ${SIGNS.depends} depends on the resource, on the circumstances, or on a role on single resources   ${SIGNS.never} never`

/** The lines. */
export function matrixText (matrix: PermissionMatrix, columns: number, colors: Colors): string[] {
  const sections = [
    ...matrix.tenants.map(tenant => ofTenant(tenant, columns, colors)),
    ofTables('Roles', matrix.roles, columns, colors),
    ofTables('Roles on single resources', matrix.resource_roles, columns, colors),
    matrix.rules.length === 0 ? [] : [colors.strong('Rules'), '', ...matrix.rules.map(rule => `  ${printable(rule)}`)],
    wrap(LEGEND, columns)
  ]
  return sections.filter(lines => lines.length > 0).flatMap((lines, index) => index === 0 ? lines : ['', ...lines])
}

function ofTenant ({ tenant, name, types, instances, without }: TenantTables, columns: number, colors: Colors): string[] {
  const title = `Tenant ${tenant}${name === undefined ? '' : ` (${name})`}`
  const tables = [...types.map(table => ofTable(table.type, table, columns, colors)), ...instances.map(table => ofTable(table.instance, table, columns, colors))]
  const lines = [colors.strong(printable(title)), ...tables.flatMap(table => ['', ...table])]
  if (without.length > 0) lines.push('', ...wrap(`May do nothing here: ${namesOf(without.map(printable))}`, columns - 2).map(line => `  ${line}`))
  return lines
}

function ofTables (title: string, tables: readonly PermissionTable[], columns: number, colors: Colors): string[] {
  return tables.length === 0 ? [] : [colors.strong(title), ...tables.flatMap(table => ['', ...ofTable(table.type, table, columns, colors)])]
}

/** A table; one below the other where not all actions fit into a line. */
function ofTable (title: string, { actions, rows }: PermissionTable, columns: number, colors: Colors): string[] {
  const names = [title, ...rows.map(({ name }) => name)].map(printable)
  const nameWidth = names.reduce((width, name) => Math.min(MAX_NAME, Math.max(width, widthOf(name))), 0)
  const widths = actions.map(action => Math.min(MAX_NAME, widthOf(printable(action))))
  return chunks(widths, columns - nameWidth - 2).flatMap((indexes, part) => [
    ...(part === 0 ? [] : ['']),
    `  ${colors.strong(fit(names[0] ?? '', nameWidth))}${indexes.map(index => `  ${fit(printable(actions[index] ?? ''), widths[index] ?? 0)}`).join('')}`.trimEnd(),
    ...rows.map(({ cells }, row) => {
      const signs = indexes.map(index => {
        const { may } = cells[index] ?? { may: 'never' }
        const paint = { always: colors.yes, depends: colors.maybe, never: colors.faint }[may]
        return `  ${paint(SIGNS[may])}${' '.repeat(Math.max(0, (widths[index] ?? 0) - 1))}`
      })
      return `  ${fit(names[row + 1] ?? '', nameWidth)}${signs.join('')}`.trimEnd()
    })
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
