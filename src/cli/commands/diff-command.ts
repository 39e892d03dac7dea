// `fastify-permit diff`: what a push would do.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { PLAN_OPTIONS, policyOf, TARGET_HELP, targetOf } from '../push-pull/plan-options.js'
import type { PlanReport } from '../push-pull/plan-report.js'
import { REMOTE_HELP, REMOTE_OPTIONS, withEnvironment } from '../push-pull/remote-options.js'

const HELP = `Usage: fastify-permit diff --policy <file> [--facts] [--prune] [options]

Compares a policy file with an environment of Permit, and prints what fastify-permit push would do with the same options. Writes nothing.

Options:
  --policy <file>   a policy file, permit.yaml or .json
  --facts           also compare users, tenants, role assignments, resource instances and relationship tuples
  --prune           also list as deletions what only the environment has
  --format <name>   text, json, or markdown for a comment on a pull request; default: text
${TARGET_HELP}
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
    const target = targetOf(options)
    const policy = await policyOf(options.policy)
    const { planJson, planLines, planMarkdown } = await import('../push-pull/plan-report.js')
    const tell = (report: PlanReport): number => {
      terminal.out({ text: planLines, json: planJson, markdown: planMarkdown }[format](report))
      return report.ops.length === 0 ? EXIT.ok : DIFFERENT
    }
    if (target === 'openfga') {
      const { translated, withStore, fgaDifference } = await import('../push-pull/to-openfga.js')
      const translation = translated(policy, facts)
      return withStore(options, terminal, async store => {
        const { report } = await fgaDifference(store, policy, translation, { facts, prune }, terminal)
        return tell(report)
      })
    }
    return withEnvironment(options, terminal, async client => {
      const { differenceOf } = await import('../push-pull/difference.js')
      return tell((await differenceOf(client, policy, { facts, prune }, terminal)).report)
    })
  }
}
