// The table of routes in Markdown has the cells that it should, whatever is in them.
import fc from 'fast-check'
import t from 'tap'
import { routesMarkdown, routesText } from '../../../src/cli/routes/routes-table.js'
import type { RouteRow } from '../../../src/fastify/route-table.js'
import { hostile } from '../../support/hostile.js'
import { terminalFor } from '../in-process.js'

const rowOf = (url: string, permission: string, resource: string, tenant: string): RouteRow => ({
  method: 'GET',
  url,
  constraints: { host: url },
  permission,
  permissions: [permission],
  resource,
  tenant,
  public: false,
  guardedBy: 'annotation'
})

const rows = fc.array(fc.tuple(hostile, hostile, hostile, hostile).map(parts => rowOf(...parts)), { minLength: 1, maxLength: 3 })

t.test('a row is one line with five cells, and no cell contains markup or ends its code', t => {
  t.doesNotThrow(() => fc.assert(fc.property(rows, rows => {
    const { terminal, said } = terminalFor()
    terminal.out(routesMarkdown(rows))
    const lines = said().out.split('\n').slice(2)
    if (lines.length !== rows.length) return false
    return lines.every(line => {
      const cells = line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim())
      if (cells.length !== 5) return false
      const fence = /^`+/.exec(cells[1] ?? '')?.[0] ?? ''
      const inside = (cells[1] ?? '').slice(fence.length, -fence.length)
      if (fence === '' || !cells[1]?.endsWith(fence) || Array.from(inside.matchAll(/`+/g), ([ticks]) => ticks).includes(fence)) return false
      // Each character that Markdown may act on stands behind a backslash.
      return [2, 3, 4].every(index => !/[`*_[\]<>|&~]/.test((cells[index] ?? '').replace(/\\./g, '')))
    })
  }), { numRuns: 500 }))
  t.end()
})

t.test('in columns, a row is one line', t => {
  t.doesNotThrow(() => fc.assert(fc.property(rows, rows => {
    const { terminal, said } = terminalFor()
    terminal.out(routesText(rows))
    return said().out.split('\n').length === rows.length + 1
  }), { numRuns: 300 }))
  t.end()
})
