// `fastify-permit types`: the names in a policy as TypeScript types, so that the compiler knows them.
import { readFile, writeFile } from 'node:fs/promises'
import { declarationOf } from '../typegen/type-declaration.js'
import { namesOf, type PolicyNames } from '../typegen/policy-names.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'

const HELP = `Usage: fastify-permit types --policy <file> [--out <file>]
       fastify-permit types --from <url> [--out <file>]

Writes a TypeScript declaration of a policy. With this file in your project, a permission, an action, a resource type or a role
that is not in the policy does not compile, and your editor completes the others.

Options:
  --policy <file>  a policy file, permit.yaml or .json
  --from <url>     Permit's API, https://api.permit.io, or a local PDP; the token selects the environment
  --token <token>  the token; prefer PERMIT_API_KEY, because every process on this machine can read arguments
  --out <file>     the file to write, such as permit.d.ts; default: standard output
  --check          write nothing; exit code 1 when the file at --out is not up to date
  --help           show this help

Exit codes:
  0  the declaration was written, or is up to date
  1  the policy or the API cannot be read, or the file is not up to date
  2  the arguments are invalid

Example:
  fastify-permit types --policy permit.yaml --out permit.d.ts`

/** The command. */
export const typesCommand: Command = {
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
    if ((policy === undefined) === (from === undefined)) throw new UsageError('give either --policy or --from')
    if (check && out === undefined) throw new UsageError('--check needs --out, the file to compare')
    const text = policy !== undefined
      ? declarationOf(await namesInFile(policy), policy)
      : declarationOf(await namesFromApi(from as string, options.token, terminal), "Permit's API")

    if (out === undefined) {
      terminal.out(text.trimEnd().split('\n'))
    } else if (!check) {
      await writeFile(out, text)
      terminal.err([`Written to ${out}`])
    } else if (await contentOf(out) !== text) {
      terminal.err([`${out} is not up to date; run the command without --check`])
      return EXIT.failed
    }
    return EXIT.ok
  }
}

async function namesInFile (path: string): Promise<PolicyNames> {
  const { readPolicyFile } = await import('../../environment/file/policy-file.js')
  return namesOf(await readPolicyFile(path))
}

async function namesFromApi (text: string, given: string | undefined, { env }: Terminal): Promise<PolicyNames> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // The message does not quote the URL: it may contain a password.
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new UsageError('--from must be an http(s) URL without credentials')
  }
  const token = given ?? env['PERMIT_API_KEY']
  if (token === undefined || token === '') throw new UsageError('--from needs a token; set PERMIT_API_KEY')
  const { remoteNames } = await import('../typegen/remote-schema.js')
  return remoteNames(url, token)
}

async function contentOf (path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
