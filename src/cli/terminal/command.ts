// What a command is, so that a new one is a new file and a line in the list.

/** Where a command reads and writes; tests have their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person reads `out`; nobody does unless it is said. */
  readonly isTTY?: boolean
  /** How wide `out` is, where that is known. */
  readonly columns?: number
  out (text: string): void
  err (text: string): void
}

/** A command of `fastify-permit`. */
export interface Command {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** The text of `--help`. */
  readonly help: string
  /** The exit code when it fails; {@link EXIT}.failed unless told, which a command must not use that gives it a meaning of its own. */
  readonly failure?: number
  /**
   * Runs it.
   *
   * @returns the exit code
   * @throws {@link UsageError} when the arguments cannot be used
   */
  run (args: string[], terminal: Terminal): Promise<number>
}

/** Exit codes, as shells know them. Commands that ask for decisions say no with 1, and 3 when there is no answer. */
export const EXIT = Object.freeze({ ok: 0, failed: 1, no: 1, usage: 2, unanswered: 3 })

/** Arguments that cannot be used. The message goes to the terminal, with a pointer to `--help`, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
