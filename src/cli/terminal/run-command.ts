// Finds the command, loads it, runs it, and turns its errors into lines and an exit code.
import { closest } from '../../kit/suggest.js'
import { EXIT, UsageError, type CommandEntry } from './command.js'
import type { Terminal } from './terminal.js'

/** Maximum length of a line of an error, characters: a name in it may be as long as its file. */
const MAX_LINE = 2_000

/**
 * Runs a command. Never rejects.
 *
 * @param args - the arguments after `fastify-permit`
 * @returns the exit code
 */
export async function run (args: readonly string[], terminal: Terminal, commands: readonly CommandEntry[]): Promise<number> {
  const [name, ...rest] = args[0] === 'help' && args.length > 1 ? [...args.slice(1), '--help'] : args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.out(overview(commands))
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const entry = commands.find(entry => entry.name === name)
  if (entry === undefined) {
    const nearest = closest(name, commands.map(({ name }) => name))
    const hint = nearest === undefined ? '' : ` (did you mean '${nearest}'?)`
    terminal.err([`fastify-permit: there is no command '${short(name)}'${hint}; fastify-permit --help lists the commands`])
    return EXIT.usage
  }
  try {
    const command = await entry.load()
    if (rest.includes('--help') || rest.includes('-h')) {
      terminal.out(command.help.split('\n'))
      return EXIT.ok
    }
    return await command.run(rest, terminal)
  } catch (error) {
    return report(error, entry, terminal)
  }
}

/** Prints an error of a command and returns the exit code. */
export function report (
  error: unknown, { name, exitCodeOnError }: Pick<CommandEntry, 'name' | 'exitCodeOnError'>, terminal: Pick<Terminal, 'err'>
): number {
  if (error instanceof UsageError) {
    // One line, whatever an argument that it quotes contains.
    terminal.err([`fastify-permit ${name}: ${short(error.message)}; see fastify-permit ${name} --help`])
    return EXIT.usage
  }
  // Only the message: the error itself may hold a token or attributes.
  const [first = '', ...more] = messageOf(error).split(/\r?\n/)
  terminal.err([`fastify-permit ${name}: ${short(first)}`, ...more.map(line => `  ${short(line.replace(/^ {2}/, ''))}`)])
  return exitCodeOnError ?? EXIT.failed
}

function messageOf (error: unknown): string {
  if (!(error instanceof Error)) return typeof error === 'string' ? error : 'a value that is not an error was thrown'
  return typeof error.message === 'string' && error.message !== '' ? error.message : error.name
}

function short (line: string): string {
  return line.length <= MAX_LINE ? line : `${line.slice(0, MAX_LINE)}…`
}

function overview (commands: readonly CommandEntry[]): string[] {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return [
    'Usage: fastify-permit <command> [options]',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'fastify-permit <command> --help shows the options of a command.',
    'fastify-permit --version shows the version.'
  ]
}
