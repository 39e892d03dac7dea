// `fastify-permit backup`: writes the facts of a data folder into a file, while the PDP runs or not.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { progressOn } from '../terminal/progress.js'

const HELP = `Usage: fastify-permit backup --data <folder> --to <file> [--yes]

Writes the facts of a data folder into a file. The backup is consistent: it has the facts of one moment. The PDP or the app that uses
the folder keeps running. The file is text with a checksum; this version of fastify-permit and all later ones restore it.

Options:
  --data <folder>  the data folder
  --to <file>      the file to write; it appears when the backup is complete
  --yes            replace an existing file
  --help           show this help

Exit codes:
  0  the backup was written
  1  the backup was not written
  2  the arguments are invalid

Example:
  fastify-permit backup --data ./data --to facts-monday.backup`

/** The command. */
export const backupCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { data, to, yes } = parseOptions(args, {
      data: { type: 'string' },
      to: { type: 'string' },
      yes: { type: 'boolean', default: false }
    })
    if (data === undefined) throw new UsageError('--data is missing; give the data folder')
    if (to === undefined) throw new UsageError('--to is missing; give the file to write')
    // Imported here, because help and invalid arguments need no database.
    const { backUp } = await import('../../environment/backup.js')
    const { records, bytes } = await backUp({ data, file: to, overwrite: yes, progress: progressOn(terminal) })
    terminal.out([`Backed up ${records} records (${bytes} bytes) to ${to}`])
    return EXIT.ok
  }
}
