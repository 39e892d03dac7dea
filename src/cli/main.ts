#!/usr/bin/env node
// The process `fastify-permit`: its commands, its terminal, its exit code.
import { COMMANDS } from './commands.js'
import { report, run } from './terminal/run-command.js'
import { processTerminal } from './terminal/terminal.js'

const args = process.argv.slice(2)
const terminal = processTerminal()

process.on('uncaughtException', error => {
  // Without this, Node prints the error unescaped and exits with 1, which is a "no" of some commands.
  process.exit(report(error, COMMANDS.find(({ name }) => name === args[0]) ?? { name: args[0] ?? '' }, terminal))
})

process.exitCode = await run(args, terminal, COMMANDS)
