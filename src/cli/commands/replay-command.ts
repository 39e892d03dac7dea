// `fastify-permit replay`: which decisions of an audit trail another policy would have made differently.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { SOURCE_HELP, SOURCE_OPTIONS, PDP_HELP } from '../query/decision-source-options.js'
import { isRecord } from '../../kit/is-record.js'
import { readJson } from '../../kit/read-json.js'
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { jsonLines, maybe, no, strong, yes, type Line } from '../terminal/styled-line.js'

const HELP = `Usage: fastify-permit replay --log <file> --policy <file> [options]

Asks a policy, or a PDP, every question in an audit trail again, and prints the decisions that would be different, and whose they are.

The audit trail has one JSON object a line, with the members of onDecision's events: user, action, resource, tenant and allow. A line of
pino with these members will do. Other lines are skipped and counted. An audit trail has no attributes: of those in a question (not those
that are stored), the new decision knows nothing.

${SOURCE_HELP}

${PDP_HELP}

Options:
  --log <file>     the audit trail
  --json           print the differences as JSON
  --help           show this help

Exit codes:
  0  every decision is the same
  1  a decision would be different
  2  the arguments are invalid
  3  the questions could not be asked: the policy or the log cannot be read, or the PDP gave no decision

Example:
  fastify-permit replay --log audit.ndjson --policy new.yaml`

/** The most different questions that are listed. */
const MAX_LISTED = 1_000

/** The most questions whose answers are cached: most questions repeat. */
const MAX_KEPT = 100_000

/** The most characters of a line. */
const MAX_LINE = 1024 * 1024

/** A question whose decision would be different. */
interface Difference {
  readonly user: string
  readonly action: string
  readonly resource: string
  readonly tenant: string
  readonly was: boolean
  readonly code: string | undefined
  readonly reason: string | undefined
  /** How often it was asked. */
  times: number
}

/** The command. */
export const replayCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { given: _, ...sourceOptions } = SOURCE_OPTIONS
    const options = parseOptions(args, { ...sourceOptions, log: { type: 'string' }, json: { type: 'boolean', default: false } })
    const { log } = options
    if (log === undefined) throw new UsageError('--log is missing; give the file of the audit trail')
    // Imported here, because help and invalid arguments need no engine.
    const { openSource } = await import('../query/decision-source.js')
    const { questionOf } = await import('../query/query-options.js')
    const source = await openSource(options, terminal)
    const answers = new Map<string, { readonly allow: boolean, readonly code?: string, readonly reason?: string }>()
    const differences = new Map<string, Difference>()
    const counts = { decisions: 0, same: 0, different: 0, skipped: 0 }
    try {
      for await (const line of createInterface({ input: createReadStream(log), crlfDelay: Infinity })) {
        if (line.trim() === '') continue
        const event = eventIn(line)
        if (event === undefined) {
          counts.skipped++
          continue
        }
        counts.decisions++
        const { user, action, resource, tenant, allow } = event
        const id = JSON.stringify([user, action, resource, tenant])
        const answer = answers.get(id) ?? await source.ask(questionOf({ user, action, resource, tenant }))
        if (answers.size < MAX_KEPT) answers.set(id, answer)
        if (answer.allow === allow) {
          counts.same++
          continue
        }
        counts.different++
        const key = JSON.stringify([id, allow])
        const known = differences.get(key)
        if (known !== undefined) known.times++
        else if (differences.size < MAX_KEPT) {
          differences.set(key, { user, action, resource, tenant, was: allow, code: answer.code, reason: answer.reason, times: 1 })
        }
      }
    } finally {
      await source.close()
    }
    const list = [...differences.values()].sort((a, b) => b.times - a.times)
    terminal.out(options.json ? jsonLines({ ...counts, differences: list }) : linesOf(list, counts))
    return counts.different === 0 ? EXIT.ok : EXIT.no
  }
}

interface Event {
  readonly user: string
  readonly action: string
  readonly resource: string
  readonly tenant: string
  readonly allow: boolean
}

/** A check with a decision. Plans and checks without a decision do not count. */
function eventIn (line: string): Event | undefined {
  if (line.length > MAX_LINE) return undefined
  let event: unknown
  try {
    event = readJson(line)
  } catch {
    return undefined
  }
  if (!isRecord(event)) return undefined
  const { kind = 'check', user, action, resource, tenant = 'default', allow } = event
  const isCheck = kind === 'check' && typeof allow === 'boolean' && [user, action, resource, tenant].every(isKey)
  // `type:` is not a resource.
  if (!isCheck || /^:|^[^:]*:$/.test(resource as string)) return undefined
  return { user, action, resource, tenant, allow } as Event
}

function lines (count: number): string {
  return count === 1 ? '1 line was' : `${count} lines were`
}

function isKey (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function linesOf (
  differences: readonly Difference[], { decisions, different, skipped }: { decisions: number, different: number, skipped: number }
): Line[] {
  const users = new Set(differences.map(({ user }) => user)).size
  return [
    ...differences.slice(0, MAX_LISTED).map(({ user, action, resource, tenant, was, code, reason, times }): Line => [
      was ? no('- denied ') : yes('+ allowed'),
      ` ${user} ${action} ${resource} in ${tenant}`,
      times === 1 ? '' : `, ${times} times`,
      reason === undefined && code === undefined ? '' : `: ${reason ?? code}`
    ]),
    ...(differences.length > MAX_LISTED ? [`  … and ${differences.length - MAX_LISTED} more questions`] : []),
    ...(skipped === 0 ? [] : [[maybe('note: '), `${lines(skipped)} skipped: no check with a decision`]]),
    strong(different === 0
      ? `All ${decisions} decisions would be the same.`
      : `${different} of ${decisions} decisions would be different, of ${users === 1 ? '1 user' : `${users} users`}.`)
  ]
}
