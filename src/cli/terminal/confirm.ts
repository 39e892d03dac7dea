// Asks a person before something cannot be undone.
import { EXIT, UsageError } from './command.js'
import type { Terminal } from './terminal.js'

/**
 * Asks a question whose answer is yes or no.
 *
 * @throws {@link UsageError} when no terminal is attached
 */
export async function confirmed ({ ask }: Terminal, question: string): Promise<boolean> {
  if (ask === undefined) throw new UsageError(`${question} No terminal is attached to confirm it; give --yes`)
  const answer = await ask(`${question} [y/N] `)
  return /^y(es)?$/i.test(answer.trim())
}

/** Reports that the answer was no and nothing was changed; returns the exit code. */
export function unchanged ({ err }: Terminal): number {
  err(['Nothing was changed.'])
  return EXIT.failed
}
