// Commands within the test's own process: fast, and with a terminal of the test's making.
import { checkCommand } from '../../src/cli/commands/check.js'
import type { Terminal } from '../../src/cli/terminal/command.js'
import { explainCommand } from '../../src/cli/commands/explain.js'
import { matrixCommand } from '../../src/cli/commands/matrix.js'
import { routesCommand } from '../../src/cli/commands/routes.js'
import { run } from '../../src/cli/terminal/run.js'
import { testCommand } from '../../src/cli/commands/test-command.js'
import { typesCommand } from '../../src/cli/commands/types-command.js'

/** What a command said, and how it ended. */
export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `fastify-permit <args>`. */
export async function permit (args: readonly string[], terminal: Partial<Pick<Terminal, 'env' | 'isTTY' | 'columns'>> = {}): Promise<Said> {
  const out: string[] = []
  const err: string[] = []
  const code = await run([...args], {
    env: {},
    ...terminal,
    out: text => { out.push(text) },
    err: text => { err.push(text) }
  }, [checkCommand, explainCommand, testCommand, matrixCommand, routesCommand, typesCommand])
  return { code, out: out.join('\n'), err: err.join('\n') }
}

/** A line as words on a command line; what is in quotes stays together. */
export function words (line: string): string[] {
  return Array.from(line.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
}
