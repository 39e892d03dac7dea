// `fastify-permit backup`: the facts of a data folder as a file, while the PDP runs or not.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { progressOn } from '../terminal/progress.js'

const HELP = `Usage: fastify-permit backup --data <folder> --to <file> [--yes]

Writes the facts of a data folder into a file: what is there at one moment, whatever is written meanwhile. A PDP or an app that has the
folder goes on. The file is text with a checksum, which every version of fastify-permit from this one on restores.

Options:
  --data <folder>  the data folder
  --to <file>      the file to write; it is there when it is complete, and not before
  --yes            replace the file when it is there already
  --help           this text

Exit codes: 0 written, 1 not written, 2 the arguments cannot be used.

  fastify-permit backup --data ./data --to facts-monday.backup`

/** The command. */
export const backupCommand: Command = {
  name: 'backup',
  summary: 'writes the facts of a data folder into a file',
  help: HELP,

  async run (args, terminal) {
    const { data, to, yes } = parseOptions(args, {
      data: { type: 'string' },
      to: { type: 'string' },
      yes: { type: 'boolean', default: false }
    })
    if (data === undefined) throw new UsageError('--data is missing; give the data folder')
    if (to === undefined) throw new UsageError('--to is missing; give the file to write')
    // Not before it is needed: help and mistakes need no database.
    const { backUp } = await import('../../environment/backup.js')
    const { records, bytes } = await backUp({ data, file: to, overwrite: yes, progress: progressOn(terminal) })
    terminal.out([`Backed up ${records} records (${bytes} bytes) to ${to}`])
    return EXIT.ok
  }
}
