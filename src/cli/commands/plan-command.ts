// `fastify-permit plan`: which rows of a table a user may act on, as a sentence, as a condition and as SQL.
import type { Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { faint, jsonLines, no, strong, yes, type Line } from '../terminal/styled-line.js'
import { drawTree } from '../terminal/tree.js'
import type { Branch } from '../../engine/explain/decision-tree.js'
import type { DecisionSource } from '../query/decision-source-types.js'
import { SOURCE_HELP, SOURCE_OPTIONS, GIVEN_HELP, PDP_HELP } from '../query/decision-source-options.js'
import type { Sql } from '../query/plan-text.js'
import type { Planned, PlannedBranch } from '../query/plan-with-sources.js'
import { questionOf } from '../query/query-options.js'

const DATABASES = ['postgresql', 'sqlite'] as const

/** The command. */
export const planCommand: Command = {
  help: `Usage: fastify-permit plan --user <key> --action <action> --resource <type> [options]
       fastify-permit plan --user <key> --any-of <actions> --resource <type> [options]
       fastify-permit plan --user <key> --all-of <actions> --resource <type> [options]

Shows which rows of a table a user may act on: as a sentence, with the rule or role that each part comes from, as the condition (UCAST) that
permit.plan() resolves to, and as SQL. Columns in the SQL are named after the attributes.

The question:
  --user <key>              key of the user
  --action <action>         the action
  --any-of <actions>        actions with commas between them: the rows on which the user may do at least one of them
  --all-of <actions>        actions with commas between them: the rows on which the user may do all of them
  --resource <type>         the resource type of the rows
  --tenant <key>            key of the tenant; default: default
  --context <json>          values for conditions on context.*
  --user-attributes <json>  attributes of the user; they override stored attributes
  --relations <names>       relations that are columns of the table, with commas between them

${SOURCE_HELP}

${GIVEN_HELP}

${PDP_HELP}

Output:
  --sql <database>  show the SQL, too: postgresql or sqlite
  --json            print it as JSON: { "plan", "branches", "sql" }; with several actions, each branch has its "action"
  --help            show this help

Exit codes:
  0  there are rows that the user may act on, or may be
  1  no row
  2  the arguments are invalid
  3  no plan: the policy is invalid, there is no exact plan, or the PDP gave no valid answer

Examples:
  fastify-permit plan --user ann --action read --resource task --policy permit.yaml
  fastify-permit plan --user ann --action read --resource task --policy permit.yaml --sql postgresql
  fastify-permit plan --user ann --any-of read,edit --resource task --policy permit.yaml
  fastify-permit plan --user ann --action read --resource document --relations parent --policy permit.yaml`,

  async run (args, terminal) {
    const options = parseOptions(args, {
      user: { type: 'string' },
      action: { type: 'string' },
      'any-of': { type: 'string' },
      'all-of': { type: 'string' },
      resource: { type: 'string' },
      tenant: { type: 'string' },
      context: { type: 'string' },
      'user-attributes': { type: 'string' },
      relations: { type: 'string' },
      ...SOURCE_OPTIONS,
      sql: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    const { how, actions } = actionsOf(options)
    const { user, resource, context } = questionOf({ ...options, action: actions[0] })
    if (resource.key !== undefined) {
      throw new UsageError(`--resource ${resource.type}:${resource.key} is one resource; write its type: ${resource.type}`)
    }
    const database = DATABASES.find(name => name === options.sql)
    if (options.sql !== undefined && database === undefined) {
      throw new UsageError(`--sql ${options.sql} is not known; write ${DATABASES.join(' or ')}`)
    }
    const relations = options.relations?.split(',').map(name => name.trim()).filter(name => name !== '')
    const question = { user, type: resource.type, tenant: resource.tenant, context, relations }
    // Imported here, because help and invalid arguments need no engine.
    const { openSource } = await import('../query/decision-source.js')
    const source = await openSource(options, terminal)
    try {
      const { plan, parts } = await planFor(source, question, how, actions)
      const { planInWords, sqlOf } = await import('../query/plan-text.js')
      const sql = database === undefined ? undefined : await sqlOf(plan, database)
      const sentence = `${user.key} may ${actions.join(how === 'anyOf' ? ' or ' : ' and ')} ${planInWords(plan)}`
      terminal.out(options.json ? jsonLines({ plan, branches: branchesOf(parts), sql }) : await textOf(sentence, plan, parts, sql))
      return plan.kind === 'none' ? EXIT.no : EXIT.ok
    } finally {
      await source.close()
    }
  }
}

type Actions = readonly [string, ...string[]]

/** The plan of one action. */
interface Part extends Planned { readonly action: string }

type ActionValues = Readonly<Partial<Record<'action' | 'any-of' | 'all-of', string>>>

/** The actions of the options, each once. */
function actionsOf (
  { action, 'any-of': anyOf, 'all-of': allOf }: ActionValues
): { readonly how: 'anyOf' | 'allOf', readonly actions: Actions } {
  const given = [action, anyOf, allOf].filter(value => value !== undefined)
  if (given.length > 1) throw new UsageError('--action, --any-of and --all-of cannot be combined; write one of them')
  if (anyOf === undefined && allOf === undefined) {
    if (action === undefined || action === '') throw new UsageError('--action is missing; for several actions, write --any-of or --all-of')
    return { how: 'allOf', actions: [action] }
  }
  const name = anyOf === undefined ? 'all-of' : 'any-of'
  const [first, ...others] = new Set((anyOf ?? allOf ?? '').split(',').map(part => part.trim()))
  if (first === undefined || first === '' || others.includes('')) {
    throw new UsageError(`--${name} has an empty action; write actions with commas between them, such as --${name} read,edit`)
  }
  return { how: anyOf === undefined ? 'allOf' : 'anyOf', actions: [first, ...others] }
}

async function planFor (
  source: DecisionSource, question: Omit<PlanQuestion, 'action'>, how: 'anyOf' | 'allOf', actions: Actions
): Promise<{ readonly plan: Plan, readonly parts: readonly Part[] }> {
  const parts: [Part, ...Part[]] = [await partFor(source, question, actions[0], actions.length > 1)]
  for (const action of actions.slice(1)) parts.push(await partFor(source, question, action, true))
  const [{ plan: first }, ...others] = parts
  if (others.length === 0) return { plan: first, parts }
  const { combinePlans } = await import('../../engine/plan/combine-plans.js')
  return { plan: combinePlans(how, [first, ...others.map(({ plan }) => plan)]), parts }
}

async function partFor (
  source: DecisionSource, question: Omit<PlanQuestion, 'action'>, action: string, isNamed: boolean
): Promise<Part> {
  const [{ planOf }, { isNoPlan }] = await Promise.all([import('../query/plan-with-sources.js'), import('../query/plan-text.js')])
  try {
    return { action, ...await planOf(source, { ...question, action }) }
  } catch (error) {
    if (!isNoPlan(error)) throw error
    const { NoDecisionError } = await import('../query/pdp-decision-source.js')
    throw new NoDecisionError(`no plan${isNamed ? ` for '${action}'` : ''}: ${error.message}`)
  }
}

function branchesOf (parts: readonly Part[]): ReadonlyArray<PlannedBranch & { readonly action?: string }> {
  const [first, ...others] = parts
  if (first !== undefined && others.length === 0) return first.branches
  return parts.flatMap(({ action, branches }) => branches.map(branch => ({ action, ...branch })))
}

/** The sources of the plan of one action; with several, below the rows of each. */
async function treesOf (parts: readonly Part[]): Promise<Branch[]> {
  const [{ treeOf }, { planInWords }] = await Promise.all([import('../query/plan-with-sources.js'), import('../query/plan-text.js')])
  const [first, ...others] = parts
  if (first !== undefined && others.length === 0) return treeOf(first.branches)
  return parts.map(({ action, plan, branches }) => ({ text: `${action} ${planInWords(plan)}`, branches: treeOf(branches) }))
}

async function textOf (sentence: string, plan: Plan, parts: readonly Part[], sql: Sql | undefined): Promise<Line[]> {
  const branches = await treesOf(parts)
  const lines: Line[] = [plan.kind === 'none' ? no(sentence) : yes(sentence)]
  if (branches.length > 0) lines.push('', ...drawTree({ text: 'because of', branches }))
  if (plan.kind === 'some') lines.push('', strong('condition'), ...jsonLines(plan.condition))
  if (sql !== undefined) {
    lines.push('', strong('sql'), sql.text, ...sql.values.map((value, index): Line => faint(`  ${index + 1}: ${JSON.stringify(value)}`)))
  }
  return lines
}
