// A command that asks one question: `check` and `explain` differ only in what they print of the answer.
import type { Query } from '../../contract/point.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, type Command } from '../terminal/command.js'
import { jsonLines, type Line } from '../terminal/styled-line.js'
import type { DecisionSource } from './decision-source-types.js'
import { SOURCE_HELP, SOURCE_OPTIONS, GIVEN_HELP, PDP_HELP } from './decision-source-options.js'
import { QUESTION_HELP, QUESTION_OPTIONS, questionOf } from './query-options.js'

/** The output of such a command. */
export interface PrintedAnswer {
  readonly allow: boolean
  /** With `--json`. */
  readonly json: unknown
  /** Without it. */
  readonly text: readonly Line[]
}

/** The differences between these commands. */
export interface QuestionCommand {
  readonly name: string
  /** The paragraphs of its help that describe it. */
  readonly about: string
  /** What `--json` prints, for the help. */
  readonly json: string
  /** Arguments of the examples in its help. */
  readonly examples: readonly string[]
  answer (source: DecisionSource, query: Query): Promise<PrintedAnswer>
}

/** Creates the command. */
export function questionCommand ({ name, about, json, examples, answer }: QuestionCommand): Command {
  return {
    help: `Usage: fastify-permit ${name} --user <key> --action <action> --resource <type[:key]> [options]

${about}

${QUESTION_HELP}

${SOURCE_HELP}

${GIVEN_HELP}

${PDP_HELP}

Output:
  --json           ${json}
  --help           show this help

Exit codes:
  0  yes: the user is allowed
  1  no: the user is denied
  2  the arguments are invalid
  3  no decision: the policy is invalid, or the PDP gave no valid answer. Never treat this as an allow.

Examples:
${examples.map(example => `  fastify-permit ${name} ${example}`).join('\n')}`,

    async run (args, terminal) {
      const options = parseOptions(args, { ...QUESTION_OPTIONS, ...SOURCE_OPTIONS, json: { type: 'boolean', default: false } })
      const query = questionOf(options)
      // Imported here, because help and invalid arguments need no engine.
      const { openSource } = await import('./decision-source.js')
      const source = await openSource(options, terminal)
      try {
        const printed = await answer(source, query)
        terminal.out(options.json ? jsonLines(printed.json) : printed.text)
        return printed.allow ? EXIT.ok : EXIT.no
      } finally {
        await source.close()
      }
    }
  }
}
