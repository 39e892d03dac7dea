#!/usr/bin/env node
// The process `fastify-permit`: its commands, its terminal, its exit code.
import { backupCommand } from './commands/backup.js'
import { checkCommand } from './commands/check.js'
import { explainCommand } from './commands/explain.js'
import { matrixCommand } from './commands/matrix.js'
import { pdpCommand } from './commands/pdp.js'
import { restoreCommand } from './commands/restore.js'
import { routesCommand } from './commands/routes.js'
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
