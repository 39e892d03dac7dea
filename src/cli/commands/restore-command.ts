// `fastify-permit restore`: replaces the facts of a data folder by those of a backup.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { progressOn } from '../terminal/progress.js'

const HELP = `Usage: fastify-permit restore --data <folder> --from <file> [--yes]

Restores the facts of a backup into a data folder. Stop the PDP or the app that uses the folder first. The whole backup is validated
before anything is replaced, and everything is replaced at once: the folder never has a part of the backup.

Options:
  --data <folder>  the data folder; it is created when it does not exist
  --from <file>    a file that fastify-permit backup has written
  --yes            replace existing facts, even damaged ones
  --help           show this help

Exit codes:
  0  the backup was restored
  1  the backup was not restored
  2  the arguments are invalid

Example:
  fastify-permit restore --data ./data --from facts-monday.backup`

/** The command. */
export const restoreCommand: Command = {
  help: HELP,

  async run (args, terminal) {
    const { data, from, yes } = parseOptions(args, {
      data: { type: 'string' },
      from: { type: 'string' },
      yes: { type: 'boolean', default: false }
    })
    if (data === undefined) throw new UsageError('--data is missing; give the data folder')
    if (from === undefined) throw new UsageError('--from is missing; give the file of the backup')
    const { restoreBackup } = await import('../../environment/backup.js')
    const { records, createdAt } = await restoreBackup({ data, file: from, overwrite: yes, progress: progressOn(terminal) })
    terminal.out([`Restored ${records} records of ${createdAt} into ${data}`])
    return EXIT.ok
  }
}
