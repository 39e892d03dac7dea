// The commands in a process of their own: its terminal, its exit code.
import { COMMANDS } from './commands.js'
import { report, run } from './terminal/run-command.js'
import { processTerminal } from './terminal/terminal.js'

/** Runs a command in the process's terminal, and returns the exit code. */
export async function runProcess (args: readonly string[]): Promise<number> {
  const terminal = processTerminal()
  process.on('uncaughtException', error => {
    // Without this, Node prints the error unescaped and exits with 1, which is a "no" of some commands.
    process.exit(report(error, COMMANDS.find(({ name }) => name === args[0]) ?? { name: args[0] ?? '' }, terminal))
  })
  return run(args, terminal, COMMANDS)
}
