// `fastify-permit pull`: an environment of Permit as a policy file.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, type Command } from '../terminal/command.js'
import { maybe } from '../terminal/styled-line.js'
import { progressOn } from '../terminal/progress.js'
import type { RemoteEnvironment } from '../../moving/read-environment.js'
import { REMOTE_HELP, REMOTE_OPTIONS, withEnvironment } from '../push-pull/remote-options.js'

const HELP = `Usage: fastify-permit pull [--out <file>] [--facts] [options]

Writes the policy of an environment of Permit as a file: resources, roles, condition sets and rules, and with --facts tenants, users,
role assignments, resource instances and relationship tuples. If the file exists, what has not changed stays as it is, with its comments.
Without --facts, the facts in the file stay, too.

What a policy file cannot say, such as groups, is listed as a warning and kept in the file under "permit".

Options:
  --out <file>      the file to write, .yaml, .yml or .json; default: standard output
  --facts           also read the facts
${REMOTE_HELP}
  --help            show this help

Exit codes:
  0  the policy was written
  1  the environment cannot be read
  2  the arguments are invalid

Example:
  PERMIT_API_KEY=your-api-key npx fastify-permit pull --out permit.yaml`

type ProxyConfigs = RemoteEnvironment['schema']['proxy_configs']

/** Parts that Permit's API does not return stay as in the file: descriptions, and proxy configurations if the key may not read them. */
function withProxyConfigs ({ schema, hasProxyConfigs }: RemoteEnvironment, kept: ProxyConfigs): RemoteEnvironment['schema'] {
  if (kept === undefined) return schema
  if (!hasProxyConfigs) return { ...schema, proxy_configs: kept }
  return {
    ...schema,
    proxy_configs: Object.fromEntries(Object.entries(schema.proxy_configs ?? {}).map(([key, config]) => {
      const description = Object.hasOwn(kept, key) ? kept[key]?.description : undefined
      return [key, { ...(description === undefined ? {} : { description }), ...config }]
    }))
  }
}

/** The command. */
export const pullCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const options = parseOptions(args, { ...REMOTE_OPTIONS, out: { type: 'string' }, facts: { type: 'boolean', default: false } })
    const { out, facts } = options
    return withEnvironment(options, terminal, async client => {
      const { readEnvironment } = await import('../../moving/read-environment.js')
      const { readExistingPolicy, textOfPolicy } = await import('../../moving/policy-files.js')
      // First, so that a file that cannot be kept is reported before the download.
      const existing = out === undefined ? undefined : await readExistingPolicy(out)
      const progress = progressOn(terminal, 'objects')
      let read = 0
      const remote = await readEnvironment(client, { facts, onItems: count => progress(read += count) })
      const { unsaid } = remote
      const schema = withProxyConfigs(remote, existing?.model.schema.proxy_configs)
      const written = { schema, facts: remote.facts, permit: unsaid.data }
      const { text, problems, lostComments } = await textOfPolicy(written, out?.endsWith('.json') === true ? 'json' : 'yaml', existing)
      if (unsaid.names.length > 0) {
        terminal.err([
          [maybe('warning: '), 'a policy file cannot express this; a push leaves it unchanged:'],
          ...unsaid.names.map(name => `  ${name}`)
        ])
      }
      if (problems.length > 0) {
        terminal.err([[maybe('warning: '), 'the PDP does not accept this policy unchanged:'], ...problems.map(problem => `  ${problem}`)])
      }
      if (lostComments) terminal.err([[maybe('warning: '), 'the comments of the file are lost, because it cannot be changed in place']])
      if (out === undefined) {
        terminal.out(text.trimEnd().split('\n'))
      } else if (text === existing?.text) {
        terminal.err([`${out} is up to date`])
      } else {
        const { replaceFile } = await import('../../kit/replace-file.js')
        await replaceFile(out, 0o666, file => file.writeFile(text))
        terminal.err([`Written to ${out}`])
      }
      return EXIT.ok
    })
  }
}
