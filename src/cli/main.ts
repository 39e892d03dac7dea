#!/usr/bin/env node
// The command `fastify-permit` as a process: its commands, its terminal, its exit code.
import type { Command, Terminal } from './command.js'
import { checkCommand } from './check.js'
import { explainCommand } from './explain.js'
import { matrixCommand } from './matrix.js'
import { pdpCommand } from './pdp.js'
import { routesCommand } from './routes.js'
import { run } from './run.js'
import { testCommand } from './test.js'
import { typesCommand } from './types.js'

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
