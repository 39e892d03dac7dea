// Commands within the test's own process: fast, and with a terminal of the test's making.
import { COMMANDS } from '../../src/cli/commands.js'
import { run } from '../../src/cli/terminal/run-command.js'
import { createTerminal } from '../../src/cli/terminal/terminal.js'

/** What a command said, and how it ended. */
export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The terminal of a test. */
export interface TestTerminal {
  readonly env?: Record<string, string>
  readonly isTTY?: boolean
  readonly columns?: number
}

/** A terminal, and what was written to it, without the last line break. */
export function terminalFor ({ env = {}, isTTY, columns }: TestTerminal = {}) {
  const written = { out: '', err: '' }
  const stream = (name: keyof typeof written) => ({ isTTY, columns, write (text: string) { written[name] += text } })
  return {
    terminal: createTerminal(stream('out'), stream('err'), env),
    said: () => ({ out: written.out.replace(/\n$/, ''), err: written.err.replace(/\n$/, '') })
  }
}

/** Runs `fastify-permit <args>`. */
export async function permit (args: readonly string[], options: TestTerminal = {}): Promise<Said> {
  const { terminal, said } = terminalFor(options)
  const code = await run(args, terminal, COMMANDS)
  return { code, ...said() }
}

/** A line as words on a command line; what is in quotes stays together. */
export function words (line: string): string[] {
  return Array.from(line.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
}
