// What a command is, so that a new one is a new file and an entry in `src/cli/commands.ts`.
import type { Terminal } from './terminal.js'

/** The description of a command that is not loaded yet: the process only loads the command that it runs. */
export interface CommandEntry {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Exit code when it fails. @defaultValue {@link EXIT}.failed; a command in which 1 is an answer needs another one. */
  readonly exitCodeOnError?: number
  load (): Promise<Command>
}

/** A command of `fastify-permit`. */
export interface Command {
  /** The text of `--help`. */
  readonly help: string
  /**
   * Runs the command.
   *
   * @returns the exit code
   * @throws {@link UsageError} when the arguments are invalid
   */
  run (args: string[], terminal: Terminal): Promise<number>
}

/** Exit codes. Commands that ask for decisions exit with 1 for a denial, and with 3 without a decision. */
export const EXIT = Object.freeze({ ok: 0, failed: 1, no: 1, usage: 2, unanswered: 3 })

/** Invalid arguments. The message is printed with a pointer to `--help`, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
