// `fastify-permit restore`: a backup becomes the facts of a data folder.
import { parseOptions } from '../terminal/arguments.js'
import { EXIT, UsageError, type Command } from '../terminal/command.js'
import { progressOn } from '../terminal/progress.js'

const HELP = `Usage: fastify-permit restore --data <folder> --from <file> [--yes]

Puts the facts of a backup into a data folder. Stop the PDP or the app that has the folder first. All of the backup is read and checked
before anything is replaced, and then it is replaced at once: whatever happens, the folder holds what it held or what the backup holds.

Options:
  --data <folder>  the data folder, which is made when it is not there
  --from <file>    the file that fastify-permit backup has written
  --yes            replace the facts that the folder holds already, damaged or not
  --help           this text

Exit codes: 0 restored, 1 not restored, 2 the arguments cannot be used.

  fastify-permit restore --data ./data --from facts-monday.backup`

/** The command. */
export const restoreCommand: Command = {
  name: 'restore',
  summary: 'puts the facts of a backup into a data folder',
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
    terminal.out([`Restored ${records} records, of ${createdAt}, into ${data}`])
    return EXIT.ok
  }
}
