// `fastify-permit push`: changes an environment of Permit so that it matches a policy file.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, type Command } from '../terminal/command.js'
import { confirmed, unchanged } from '../terminal/confirm.js'
import { no } from '../terminal/styled-line.js'
import { progressOn } from '../terminal/progress.js'
import { PLAN_OPTIONS, policyOf, TARGET_HELP, targetOf } from '../push-pull/plan-options.js'
import { REMOTE_HELP, REMOTE_OPTIONS, withEnvironment } from '../push-pull/remote-options.js'

const HELP = `Usage: fastify-permit push --policy <file> [--facts] [--prune] [--yes] [options]

Changes an environment of Permit so that it matches a policy file. fastify-permit diff prints what it would do. A push stops at the first
failure; run it again to go on. A second push changes nothing.

What only the environment has stays there, unless --prune is given. Facts are only written and deleted with --facts.

Options:
  --policy <file>   a policy file, permit.yaml or .json
  --facts           also write users, tenants, role assignments, resource instances and relationship tuples
  --prune           delete what the file does not have
  --yes             do not ask before deletions
${TARGET_HELP}
${REMOTE_HELP}
  --help            show this help

Exit codes:
  0  the environment says what the file says
  1  it does not: the push failed, or was not confirmed
  2  the arguments are invalid

Example:
  PERMIT_API_KEY=your-api-key npx fastify-permit push --policy permit.yaml`

/** The command. */
export const pushCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const options = parseOptions(args, {
      ...REMOTE_OPTIONS,
      ...PLAN_OPTIONS,
      yes: { type: 'boolean', default: false }
    })
    const { facts, prune } = options
    const target = targetOf(options)
    const policy = await policyOf(options.policy)
    if (target === 'openfga') {
      const { pushToFga } = await import('../push-pull/to-openfga.js')
      return pushToFga(options, policy, terminal)
    }
    return withEnvironment(options, terminal, async client => {
      const { differenceOf } = await import('../push-pull/difference.js')
      const { planLines, summaryOf } = await import('../push-pull/plan-report.js')
      const { push, PushError } = await import('../../moving/push.js')
      const { nameOf } = await import('../../moving/moved-objects.js')
      const { factsThatWouldGo } = await import('../../moving/facts-deleted-with-schema.js')
      const { plan, report } = await differenceOf(client, policy, { facts, prune }, terminal)
      terminal.out(planLines(report))
      if (plan.steps.length === 0) return EXIT.ok
      if (!prune && plan.steps.some(({ op }) => op === 'replace')) {
        terminal.err(['Nothing was changed: some objects must be deleted and created again. Give --prune to do that.'])
        return EXIT.failed
      }
      if (!facts) {
        const found = await factsThatWouldGo(client, plan)
        if (found.length > 0) {
          terminal.err([
            'Nothing was changed: facts would be deleted, too. Give --facts to compare and delete them, or delete them yourself:',
            ...found.map(line => `  ${line}`)
          ])
          return EXIT.failed
        }
      }
      const deletions = plan.steps.filter(({ op }) => op === 'delete' || op === 'replace').length
      if (deletions > 0 && !options.yes) {
        const question = `Delete ${deletions === 1 ? '1 object' : `${deletions} objects`} of the environment?`
        if (!await confirmed(terminal, question)) return unchanged(terminal)
      }
      const progress = progressOn(terminal, 'changes')
      try {
        await push(client, plan, done => progress(done, plan.steps.length))
      } catch (error) {
        if (!(error instanceof PushError)) throw error
        const { step: { op, object }, applied } = error
        const [line] = op === 'delete' ? [] : policy.linesOf([object.path])
        const place = line === undefined ? '' : ` (${options.policy}:${line})`
        terminal.err([
          [no(`Cannot ${op} ${nameOf(object)}`), `${place}:`],
          ...error.message.split('\n').map(line => `  ${line}`),
          applied === 0
            ? 'Nothing was changed.'
            : `${applied} of ${plan.steps.length} changes are done and stay done. Run the command again to go on.`
        ])
        return EXIT.failed
      }
      terminal.err([`Done: ${summaryOf(report.ops).replaceAll('to ', '')}`])
      return EXIT.ok
    })
  }
}
