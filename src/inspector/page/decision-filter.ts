// Which decisions the table shows.
import type { InspectorRow } from '../inspector-row.js'

/** The columns with a filter for a part of their text. */
export const TEXT_FILTERS = ['user', 'action', 'resource', 'tenant', 'route'] as const
/** The columns with a choice, and what there is to choose from. */
export const CHOICES = {
  outcome: ['yes', 'no', 'none'],
  source: ['cache', 'flight', 'pdp', 'embedded', 'stale']
} as const

/** By column; an empty text shows everything. */
export type DecisionFilter = Readonly<Record<typeof TEXT_FILTERS[number] | keyof typeof CHOICES, string>>

export const NO_FILTER: DecisionFilter = { user: '', action: '', resource: '', tenant: '', route: '', outcome: '', source: '' }

/** Whether the table shows a decision. Upper and lower case are the same. */
export function isShown (row: InspectorRow, filter: DecisionFilter): boolean {
  return TEXT_FILTERS.every(name => filter[name] === '' || (row[name] ?? '').toLowerCase().includes(filter[name].toLowerCase())) &&
    (filter.outcome === '' || row.outcome === filter.outcome) && (filter.source === '' || row.source === filter.source)
}
