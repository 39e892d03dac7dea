// `fastify-permit check`: one question, one answer, and an exit code for scripts.
import { questionCommand } from '../query/query-command.js'
import { no, yes } from '../terminal/styled-line.js'

/** The command. */
export const checkCommand = questionCommand({
  name: 'check',
  about: 'Checks whether a user is allowed to perform an action on a resource, and prints the reason.',
  json: 'print the decision as JSON: { "allow", "code", "reason" }',
  examples: [
    '--user ann --action create --resource task --policy permit.yaml',
    '--user ann --action read --resource document:spec --tenant acme --pdp http://localhost:7766',
    '--user ann --action edit --resource report --user-attributes \'{"level":3}\' --policy permit.yaml'
  ],

  async answer (source, query) {
    const { allow, code, reason } = await source.ask(query)
    const because = [reason, code === undefined || allow ? undefined : `(${code})`].filter(part => part !== undefined).join(' ')
    return {
      allow,
      json: { allow, code, reason },
      text: [[allow ? yes('allow') : no('deny'), because === '' ? '' : `: ${because}`]]
    }
  }
})
