// The question of `check` and `explain`: from options to a query, and from a query to a sentence.
import { QueryError } from '../../contract/errors.js'
import type { Query } from '../../contract/point.js'
import { createQuery } from '../../decision/query.js'
import { splitAtColon } from '../../kit/split-at-colon.js'
import { objectOf } from '../terminal/arguments.js'
import { UsageError } from '../terminal/command.js'

/** The options of a question, for `parseOptions`. */
export const QUESTION_OPTIONS = {
  user: { type: 'string' },
  action: { type: 'string' },
  resource: { type: 'string' },
  tenant: { type: 'string' },
  context: { type: 'string' },
  'user-attributes': { type: 'string' },
  'resource-attributes': { type: 'string' }
} as const

/** Help on these options. */
export const QUESTION_HELP = `The question:
  --user <key>                  key of the user
  --action <action>             the action
  --resource <type[:key]>       a resource type (task) for all its resources, or one resource (task:1)
  --tenant <key>                key of the tenant; default: default
  --context <json>              values for conditions on context.*
  --user-attributes <json>      attributes of the user; they override stored attributes
  --resource-attributes <json>  attributes of the resource; they override stored attributes`

type QuestionValues = { readonly [Name in keyof typeof QUESTION_OPTIONS]?: string }

/**
 * Creates the query of the options.
 *
 * @throws {@link UsageError} when an option is missing or invalid
 */
export function questionOf (values: QuestionValues): Query {
  const user = required('user', values.user)
  const action = required('action', values.action)
  const { type, key } = typeAndKey(required('resource', values.resource))
  const { context, 'user-attributes': userAttributes, 'resource-attributes': resourceAttributes } = values
  return withUsageErrors(() => createQuery(
    { key: user, ...attributes('user-attributes', userAttributes) },
    action,
    { type, ...(key === undefined ? {} : { key }), ...attributes('resource-attributes', resourceAttributes) },
    values.tenant,
    context === undefined ? undefined : objectOf('context', context)
  ))
}

function required (name: string, value: string | undefined): string {
  if (value === undefined || value === '') throw new UsageError(`--${name} is missing`)
  return value
}

function typeAndKey (resource: string): { readonly type: string, readonly key?: string } {
  const { before: type, after: key } = splitAtColon(resource)
  if (key === undefined) return { type }
  if (type === '' || key === '') {
    throw new UsageError(`--resource ${resource} is not a resource; write <type> or <type>:<key>, such as task or task:1`)
  }
  return { type, key }
}

function attributes (name: string, text: string | undefined): { readonly attributes?: Readonly<Record<string, unknown>> } {
  return text === undefined ? {} : { attributes: objectOf(name, text) }
}

function withUsageErrors<T> (work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof QueryError) throw new UsageError(error.message)
    throw error
  }
}
