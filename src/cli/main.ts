#!/usr/bin/env node
// The process `fastify-permit`: its commands, its terminal, its exit code.
import { backupCommand } from './commands/backup-command.js'
import { checkCommand } from './commands/check-command.js'
import { explainCommand } from './commands/explain-command.js'
import { matrixCommand } from './commands/matrix-command.js'
import { pdpCommand } from './commands/pdp-command.js'
import { restoreCommand } from './commands/restore-command.js'
import { routesCommand } from './commands/routes-command.js'
import { testCommand } from './commands/test-command.js'
import { typesCommand } from './commands/types-command.js'
import type { Command } from './terminal/command.js'
import { report, run } from './terminal/run.js'
import { processTerminal } from './terminal/terminal.js'

const COMMANDS: readonly Command[] = [
  pdpCommand, checkCommand, explainCommand, testCommand, matrixCommand, typesCommand, routesCommand, backupCommand, restoreCommand
]

const args = process.argv.slice(2)
const terminal = processTerminal()

process.on('uncaughtException', error => {
  // Without this, Node prints the error unescaped and exits with 1, which is a "no" of some commands.
  process.exit(report(error, COMMANDS.find(({ name }) => name === args[0]) ?? { name: args[0] ?? '' }, terminal))
})

process.exitCode = await run(args, terminal, COMMANDS)
