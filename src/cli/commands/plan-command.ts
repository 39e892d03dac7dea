// `fastify-permit plan`: which rows of a table a user may act on, as a sentence, as a condition and as SQL.
import type { Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { faint, jsonLines, no, strong, yes, type Line } from '../terminal/styled-line.js'
import { drawTree } from '../terminal/tree.js'
import type { DecisionSource } from '../query/decision-source-types.js'
import { SOURCE_HELP, SOURCE_OPTIONS, GIVEN_HELP, PDP_HELP } from '../query/decision-source-options.js'
import type { Sql } from '../query/plan-text.js'
import type { Planned } from '../query/plan-with-sources.js'
import { questionOf } from '../query/query-options.js'

const DATABASES = ['postgresql', 'sqlite'] as const

/** The command. */
export const planCommand: Command = {
  help: `Usage: fastify-permit plan --user <key> --action <action> --resource <type> [options]

Shows which rows of a table a user may act on: as a sentence, with the rule or role that each part comes from, as the condition (UCAST) that
permit.plan() resolves to, and as SQL. Columns in the SQL are named after the attributes.

The question:
  --user <key>              key of the user
  --action <action>         the action
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
  --json            print it as JSON: { "plan", "branches", "sql" }
  --help            show this help

Exit codes:
  0  there are rows that the user may act on, or may be
  1  no row
  2  the arguments are invalid
  3  no plan: the policy is invalid, there is no exact plan, or the PDP gave no valid answer

Examples:
  fastify-permit plan --user ann --action read --resource task --policy permit.yaml
  fastify-permit plan --user ann --action read --resource task --policy permit.yaml --sql postgresql
  fastify-permit plan --user ann --action read --resource document --relations parent --policy permit.yaml`,

  async run (args, terminal) {
    const options = parseOptions(args, {
      user: { type: 'string' },
      action: { type: 'string' },
      resource: { type: 'string' },
      tenant: { type: 'string' },
      context: { type: 'string' },
      'user-attributes': { type: 'string' },
      relations: { type: 'string' },
      ...SOURCE_OPTIONS,
      sql: { type: 'string' },
      json: { type: 'boolean', default: false }
    })
    const { user, action, resource, context } = questionOf(options)
    if (resource.key !== undefined) {
      throw new UsageError(`--resource ${resource.type}:${resource.key} is one resource; write its type: ${resource.type}`)
    }
    const database = DATABASES.find(name => name === options.sql)
    if (options.sql !== undefined && database === undefined) {
      throw new UsageError(`--sql ${options.sql} is not known; write ${DATABASES.join(' or ')}`)
    }
    const relations = options.relations?.split(',').map(name => name.trim()).filter(name => name !== '')
    const question = { user, action, type: resource.type, tenant: resource.tenant, context, relations }
    // Imported here, because help and invalid arguments need no engine.
    const { openSource } = await import('../query/decision-source.js')
    const source = await openSource(options, terminal)
    try {
      const { plan, branches } = await planFor(source, question)
      const { planInWords, sqlOf } = await import('../query/plan-text.js')
      const sql = database === undefined ? undefined : await sqlOf(plan, database)
      const sentence = `${user.key} may ${action} ${planInWords(plan)}`
      terminal.out(options.json ? jsonLines({ plan, branches, sql }) : await textOf(sentence, plan, branches, sql))
      return plan.kind === 'none' ? EXIT.no : EXIT.ok
    } finally {
      await source.close()
    }
  }
}

async function planFor (source: DecisionSource, question: PlanQuestion): Promise<Planned> {
  const [{ planOf }, { isNoPlan }] = await Promise.all([import('../query/plan-with-sources.js'), import('../query/plan-text.js')])
  try {
    return await planOf(source, question)
  } catch (error) {
    if (!isNoPlan(error)) throw error
    const { NoDecisionError } = await import('../query/pdp-decision-source.js')
    throw new NoDecisionError(`no plan: ${error.message}`)
  }
}

async function textOf (sentence: string, plan: Plan, branches: Planned['branches'], sql: Sql | undefined): Promise<Line[]> {
  const { treeOf } = await import('../query/plan-with-sources.js')
  const lines: Line[] = [plan.kind === 'none' ? no(sentence) : yes(sentence)]
  if (branches.length > 0) lines.push('', ...drawTree({ text: 'because of', branches: treeOf(branches) }))
  if (plan.kind === 'some') lines.push('', strong('condition'), ...jsonLines(plan.condition))
  if (sql !== undefined) {
    lines.push('', strong('sql'), sql.text, ...sql.values.map((value, index): Line => faint(`  ${index + 1}: ${JSON.stringify(value)}`)))
  }
  return lines
}
