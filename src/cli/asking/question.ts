// The question of `check` and `explain`: from flags to a query, and from a query to words.
import { createQuery } from '../../decision/query.js'
import { QueryError } from '../../contract/errors.js'
import type { Query } from '../../contract/point.js'
import { objectOf } from '../terminal/arguments.js'
import { UsageError } from '../terminal/command.js'
import { splitAtColon } from '../../kit/colon.js'

/** The options that make a question, for `parseOptions`. */
export const QUESTION_OPTIONS = {
  user: { type: 'string' },
  action: { type: 'string' },
  resource: { type: 'string' },
  tenant: { type: 'string' },
  context: { type: 'string' },
  'user-attributes': { type: 'string' },
  'resource-attributes': { type: 'string' }
} as const

/** Their lines in a help text. */
export const QUESTION_HELP = `The question:
  --user <key>                  who
  --action <action>             does what
  --resource <type[:key]>       to what: every resource of a type (task), or one of them (task:1)
  --tenant <key>                in which tenant; default unless told otherwise
  --context <json>              circumstances, for conditions on context.*
  --user-attributes <json>      attributes of the user; they win over those that are stored
  --resource-attributes <json>  attributes of the resource; they win over those that are stored`

type QuestionValues = { readonly [Name in keyof typeof QUESTION_OPTIONS]?: string }

/**
 * The query that the flags ask.
 *
 * @throws {@link UsageError} when they ask none
 */
export function questionOf (values: QuestionValues): Query {
  const user = needed('user', values.user)
  const action = needed('action', values.action)
  const { type, key } = typeAndKey(needed('resource', values.resource))
  const { context, 'user-attributes': userAttributes, 'resource-attributes': resourceAttributes } = values
  return asUsage(() => createQuery(
    { key: user, ...attributes('user-attributes', userAttributes) },
    action,
    { type, ...(key === undefined ? {} : { key }), ...attributes('resource-attributes', resourceAttributes) },
    values.tenant,
    context === undefined ? undefined : objectOf('context', context)
  ))
}

/** The question as people ask it: `ada may create task in default`. */
export function wordsOf ({ user, action, resource: { type, key, tenant } }: Query, may: string): string {
  return `${user.key} ${may} ${action} ${key === undefined ? type : `${type}:${key}`} in ${tenant}`
}

function needed (name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`--${name} is missing`)
  return value
}

function typeAndKey (resource: string): { readonly type: string, readonly key?: string } {
  const { before: type, after: key } = splitAtColon(resource)
  if (key === undefined) return { type }
  if (type === '' || key === '') throw new UsageError(`--resource ${resource} is not a resource; write <type> or <type>:<key>, such as task or task:1`)
  return { type, key }
}

function attributes (name: string, text: string | undefined): { readonly attributes?: Readonly<Record<string, unknown>> } {
  return text === undefined ? {} : { attributes: objectOf(name, text) }
}

function asUsage<T> (work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof QueryError) throw new UsageError(error.message)
    throw error
  }
}
