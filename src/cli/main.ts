#!/usr/bin/env node
// The command `fastify-permit`: finds the command that is meant, and turns what it says into an exit code.
import { EXIT, UsageError, type Command, type Terminal } from './command.js'
import { pdpCommand } from './pdp.js'
import { typesCommand } from './types.js'

const COMMANDS: readonly Command[] = [pdpCommand, typesCommand]

const terminal: Terminal = {
  env: process.env,
  out: text => { process.stdout.write(`${text}\n`) },
  err: text => { process.stderr.write(`${text}\n`) }
}

process.exitCode = await main(process.argv.slice(2))

async function main ([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.out(overview())
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const command = COMMANDS.find(command => command.name === name)
  if (command === undefined) {
    terminal.err(`fastify-permit: there is no command '${name}'; fastify-permit --help lists them`)
    return EXIT.usage
  }
  if (args.includes('--help') || args.includes('-h')) {
    terminal.out(command.help)
    return EXIT.ok
  }
  try {
    return await command.run(args, terminal)
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`fastify-permit ${command.name}: ${error.message}; see fastify-permit ${command.name} --help`)
      return EXIT.usage
    }
    // What was thrown may hold what was configured: its words only.
    terminal.err(`fastify-permit ${command.name}: ${error instanceof Error ? error.message : String(error)}`)
    return EXIT.failed
  }
}

function overview (): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length))
  return [
    'Usage: fastify-permit <command> [options]',
    '',
    'Commands:',
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'fastify-permit <command> --help explains a command.'
  ].join('\n')
}
