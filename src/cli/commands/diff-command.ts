// `fastify-permit diff`: what a push would do.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { PLAN_OPTIONS, policyOf } from '../moving/plan-options.js'
import { REMOTE_HELP, REMOTE_OPTIONS, withEnvironment } from '../moving/remote-options.js'

const HELP = `Usage: fastify-permit diff --policy <file> [--facts] [--prune] [options]

Compares a policy file with an environment of Permit, and prints what fastify-permit push would do with the same options. Writes nothing.

Options:
  --policy <file>   a policy file, permit.yaml or .json
  --facts           also compare users, tenants, role assignments, resource instances and relationship tuples
  --prune           also list as deletions what only the environment has
  --format <name>   text, json, or markdown for a comment on a pull request; default: text
${REMOTE_HELP}
  --help            show this help

Exit codes:
  0  there is no difference
  1  the policy is invalid, or the environment cannot be read
  2  there is a difference, or the arguments are invalid

Examples:
  fastify-permit diff --policy permit.yaml
  fastify-permit diff --policy permit.yaml --prune --format markdown >comment.md`

/** The exit code for a difference, as of \`terraform plan -detailed-exitcode\`. */
const DIFFERENT = 2

const FORMATS = ['text', 'json', 'markdown'] as const

/** The command. */
export const diffCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const options = parseOptions(args, {
      ...REMOTE_OPTIONS,
      ...PLAN_OPTIONS,
      format: { type: 'string', default: 'text' }
    })
    const { facts, prune } = options
    const format = FORMATS.find(name => name === options.format)
    if (format === undefined) throw new UsageError(`--format must be one of ${FORMATS.join(', ')}`)
    const policy = await policyOf(options.policy)
    return withEnvironment(options, terminal, async client => {
      const { differenceOf } = await import('../moving/difference.js')
      const { planJson, planLines, planMarkdown } = await import('../moving/plan-report.js')
      const report = await differenceOf(client, policy, { facts, prune }, terminal)
      terminal.out({ text: planLines, json: planJson, markdown: planMarkdown }[format](report))
      return report.plan.steps.length === 0 ? EXIT.ok : DIFFERENT
    })
  }
}
