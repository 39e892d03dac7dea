// A command that puts one question to a policy file or a PDP: `check` and `explain` differ only in what they say of the answer.
import type { Query } from '../../contract/point.js'
import type { Authority } from './answer.js'
import { AUTHORITY_OPTIONS, GIVEN_HELP, PDP_HELP, WHOM_HELP } from './authority-options.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, type Command } from '../terminal/command.js'
import { jsonLines, type Line } from '../terminal/line.js'
import { QUESTION_HELP, QUESTION_OPTIONS, questionOf } from './question.js'

/** What such a command says of an answer. */
export interface Said {
  readonly allow: boolean
  /** For programs. */
  readonly json: unknown
  /** For people. */
  readonly text: readonly Line[]
}

/** What one of them has of its own. */
export interface QuestionCommand extends Pick<Command, 'name' | 'summary'> {
  /** The paragraphs of its help that say what it does. */
  readonly about: string
  /** What `--json` prints, for the help. */
  readonly json: string
  /** Arguments of its examples. */
  readonly examples: readonly string[]
  say (authority: Authority, query: Query): Promise<Said>
}

/** The command. */
export function questionCommand ({ name, summary, about, json, examples, say }: QuestionCommand): Command {
  return {
    name,
    summary,
    exitCodeOnError: EXIT.unanswered,
    help: `Usage: fastify-permit ${name} --user <key> --action <action> --resource <type[:key]> [options]

${about}

${QUESTION_HELP}

${WHOM_HELP}

${GIVEN_HELP}

${PDP_HELP}

Output:
  --json           ${json}
  --help           this text

Exit codes:
  0  yes: allow
  1  no: deny
  2  the arguments cannot be used
  3  no decision: the policy cannot be used, or the PDP cannot be asked. Never take it for a yes.

Examples:
${examples.map(example => `  fastify-permit ${name} ${example}`).join('\n')}`,

    async run (args, terminal) {
      const options = parseOptions(args, { ...QUESTION_OPTIONS, ...AUTHORITY_OPTIONS, json: { type: 'boolean', default: false } })
      const query = questionOf(options)
      // Not before it is needed: help and mistakes need no engine.
      const { openAuthority } = await import('./authority.js')
      const authority = await openAuthority(options, terminal)
      try {
        const said = await say(authority, query)
        terminal.out(options.json ? jsonLines(said.json) : said.text)
        return said.allow ? EXIT.ok : EXIT.no
      } finally {
        await authority.close()
      }
    }
  }
}
