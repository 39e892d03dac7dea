// `fastify-permit types`: a policy's words as TypeScript, so that the compiler knows them.
import { readFile, writeFile } from 'node:fs/promises'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'
import { declarationOf, type PolicyWords } from '../looking/declaration.js'

const HELP = `Usage: fastify-permit types --policy <file> [--out <file>]
       fastify-permit types --from <url> [--out <file>]

Writes a TypeScript declaration of a policy. With that file in your project, a permission, an action, a resource type or a role
that the policy does not have no longer compiles, and your editor completes those that it has.

Options:
  --policy <file>  a policy file, permit.yaml or .json
  --from <url>     Permit's API, https://api.permit.io, or a local PDP; the token in PERMIT_API_KEY says which environment
  --token <token>  the token; better in PERMIT_API_KEY, because every process of this machine can read arguments
  --out <file>     where to write it, such as permit.d.ts; without it, to the terminal
  --check          writes nothing; exit code 1 when the file at --out is not what would be written
  --help           this text

Exit codes: 0 done, 1 failed, or not up to date, 2 not understood.

Example:
  fastify-permit types --policy permit.yaml --out permit.d.ts`

/** The command. */
export const typesCommand: Command = {
  name: 'types',
  summary: 'writes TypeScript types of a policy',
  help: HELP,

  async run (args, terminal) {
    const options = parseOptions(args, {
      policy: { type: 'string' },
      from: { type: 'string' },
      token: { type: 'string' },
      out: { type: 'string' },
      check: { type: 'boolean', default: false }
    })
    const { policy, from, out, check } = options
    if ((policy === undefined) === (from === undefined)) throw new UsageError('expected one of --policy and --from')
    if (check && out === undefined) throw new UsageError('--check needs --out, the file that is looked at')
    const text = policy !== undefined
      ? declarationOf(await localWords(policy), policy)
      : declarationOf(await wordsFrom(from as string, options.token, terminal), "Permit's API")

    if (out === undefined) {
      terminal.out(text.trimEnd().split('\n'))
    } else if (!check) {
      await writeFile(out, text)
      terminal.err([`Written to ${out}`])
    } else if (await contentOf(out) !== text) {
      terminal.err([`${out} is not up to date; run this without --check`])
      return EXIT.failed
    }
    return EXIT.ok
  }
}

async function localWords (path: string): Promise<PolicyWords> {
  const { readPolicyFile } = await import('../../environment/file/policy-file.js')
  const { resources = {}, roles = {} } = await readPolicyFile(path)
  return {
    resources: new Map(Object.entries(resources ?? {}).map(([type, { actions, roles, relations }]) =>
      [type, { actions: Object.keys(actions), roles: Object.keys(roles ?? {}), relations: Object.keys(relations ?? {}) }])),
    roles: Object.keys(roles ?? {})
  }
}

async function wordsFrom (text: string, given: string | undefined, { env }: Terminal): Promise<PolicyWords> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // Not quoted: it may hold a password.
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') throw new UsageError('--from is not an http(s) URL without credentials')
  const token = given ?? env['PERMIT_API_KEY']
  if (token === undefined || token === '') throw new UsageError('--from needs a token, in PERMIT_API_KEY')
  const { remoteWords } = await import('../looking/remote-schema.js')
  return remoteWords(url, token)
}

async function contentOf (path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
