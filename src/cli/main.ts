#!/usr/bin/env node
// The command `fastify-permit` as a process: its commands, its terminal, its exit code.
import type { Command, Terminal } from './terminal/command.js'
import { checkCommand } from './commands/check.js'
import { explainCommand } from './commands/explain.js'
import { matrixCommand } from './commands/matrix.js'
import { pdpCommand } from './commands/pdp.js'
import { routesCommand } from './commands/routes.js'
import { run } from './terminal/run.js'
import { testCommand } from './commands/test-command.js'
import { typesCommand } from './commands/types-command.js'

const COMMANDS: readonly Command[] = [pdpCommand, checkCommand, explainCommand, testCommand, matrixCommand, typesCommand, routesCommand]

const terminal: Terminal = {
  env: process.env,
  isTTY: process.stdout.isTTY === true,
  columns: process.stdout.columns,
  out: text => { process.stdout.write(`${text}\n`) },
  err: text => { process.stderr.write(`${text}\n`) }
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read has seen enough, as `head` has. That is no failure, and the exit code still says what the answer was.
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
  })
}

process.exitCode = await run(process.argv.slice(2), terminal, COMMANDS)
