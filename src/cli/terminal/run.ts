// Finds the command that is meant, and turns what it says into an exit code.
import { readFile } from 'node:fs/promises'
import { closest } from '../../kit/suggest.js'
import { EXIT, UsageError, type Command, type Terminal } from './command.js'

/**
 * Runs one of the commands. Never rejects.
 *
 * @param args what follows `fastify-permit`
 * @returns the exit code
 */
export async function run (words: string[], terminal: Terminal, commands: readonly Command[]): Promise<number> {
  const [name, ...args] = words[0] === 'help' && words.length > 1 ? [...words.slice(1), '--help'] : words
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.out(overview(commands))
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  if (name === '--version' || name === '-v') {
    const manifest = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
    terminal.out(manifest.version)
    return EXIT.ok
  }
  const command = commands.find(command => command.name === name)
  if (command === undefined) {
    const meant = closest(name, commands.map(command => command.name))
    terminal.err(`fastify-permit: there is no command '${name}'${meant === undefined ? '' : ` (did you mean '${meant}'?)`}; fastify-permit --help lists them`)
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
    return command.failure ?? EXIT.failed
  }
}

function overview (commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return [
    'Usage: fastify-permit <command> [options]',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'fastify-permit <command> --help explains a command.',
    'fastify-permit --version says which version this is.'
  ].join('\n')
}
