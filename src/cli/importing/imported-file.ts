// Writes what an import has made of another system's files, and says so.
import { writeFile } from 'node:fs/promises'
import { printable, printableLines } from '../../kit/printable.js'
import { replaceFile } from '../../kit/replace-file.js'
import type { WrittenPolicy } from '../../moving/policy-writer.js'
import { FileError } from '../terminal/file-error.js'
import { maybe } from '../terminal/styled-line.js'
import type { Terminal } from '../terminal/terminal.js'

/** Maximum number of names, or of refused parts, that are printed. */
const MAX_SHOWN = 50

/** Where the policy is written to. */
export interface ImportTarget {
  /** Undefined: the standard output. */
  readonly out: string | undefined
  /** Whether an existing file is replaced. */
  readonly yes: boolean
}

/** A part of a file that cannot be imported. */
export interface ImportRefusal {
  readonly file: string
  readonly line: number
  readonly name: string
  readonly reason: string
}

/**
 * Reports everything that cannot be imported.
 *
 * @throws {@link FileError} when there is something
 */
export function refuseAll (heading: string, refused: readonly ImportRefusal[]): void {
  if (refused.length === 0) return
  const lines = refused.slice(0, MAX_SHOWN).map(({ file, line, name, reason }) => oneLine(`${file}:${line}: ${name}: ${reason}`))
  throw new FileError([heading, ...lines, ...more(refused.length)].join('\n'))
}

/** Prints a note with names under it. */
export function note ({ err }: Terminal, heading: string, names: readonly string[]): void {
  if (names.length === 0) return
  err([[maybe('note: '), heading], ...names.slice(0, MAX_SHOWN).map(name => `  ${name}`), ...more(names.length).map(text => `  ${text}`)])
}

/**
 * Writes the policy, if it can be loaded.
 *
 * @param comments - the lines at the beginning of a YAML file
 * @throws {@link FileError} when it cannot be loaded, the file exists, or the standard output cannot have the policy
 */
export async function writeImported (
  policy: WrittenPolicy, comments: readonly string[], { out, yes }: ImportTarget, terminal: Terminal
): Promise<void> {
  const { textOfPolicy } = await import('../../moving/policy-files.js')
  const format = out?.endsWith('.json') === true ? 'json' : 'yaml'
  const { text, problems } = await textOfPolicy(policy, format, undefined)
  if (problems.length > 0) {
    throw new FileError(['the imported policy cannot be loaded, and nothing was written:', ...problems.slice(0, MAX_SHOWN)].join('\n'))
  }
  const whole = format === 'json' ? text : `${comments.map(line => `# ${printable(line)}\n`).join('')}${text}`
  if (out === undefined) {
    // What is printed is escaped. In a plain scalar of YAML the escapes would be other names.
    if (printableLines(whole) !== whole) {
      throw new FileError('the policy has characters that are escaped when they are printed, which would be another policy; ' +
        'write it with --out <file>')
    }
    terminal.out(whole.trimEnd().split('\n'))
    return
  }
  if (yes) await replaceFile(out, 0o666, file => file.writeFile(whole))
  else await writeNew(out, whole)
  terminal.err([`Written to ${out}`])
}

async function writeNew (file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new FileError(`${oneLine(file)} exists; give --yes to replace it`)
  }
}

/** The lines of a message are the command's own. */
function oneLine (text: string): string {
  return text.replaceAll(/[\r\n]/g, character => character === '\n' ? '\\n' : '\\r')
}

function more (count: number): string[] {
  return count > MAX_SHOWN ? [`… and ${count - MAX_SHOWN} more`] : []
}
