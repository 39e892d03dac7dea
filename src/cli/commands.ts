// The commands, as the list of commands shows them. Each is loaded when it is run, so that no command waits for what others need.
import { EXIT, type CommandEntry } from './terminal/command.js'

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'pdp',
    summary: 'run a local PDP',
    load: async () => (await import('./commands/pdp-command.js')).pdpCommand
  },
  {
    name: 'check',
    summary: 'check whether a user is allowed to do something; exit code 0 for yes, 1 for no',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/check-command.js')).checkCommand
  },
  {
    name: 'explain',
    summary: 'explain as a tree why a user is allowed or denied',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/explain-command.js')).explainCommand
  },
  {
    name: 'plan',
    summary: 'show which rows of a table a user may act on: as a sentence, as a condition, as SQL',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/plan-command.js')).planCommand
  },
  {
    name: 'test',
    summary: 'check that a policy does what test files expect; for CI',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/test-command.js')).testCommand
  },
  {
    name: 'matrix',
    summary: 'show who may do what, as tables in the terminal or as an HTML page',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/matrix-command.js')).matrixCommand
  },
  {
    name: 'types',
    summary: 'write TypeScript types of a policy',
    load: async () => (await import('./commands/types-command.js')).typesCommand
  },
  {
    name: 'routes',
    summary: 'show what each route of an app requires, and compare it with the policy',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/routes-command.js')).routesCommand
  },
  {
    name: 'import',
    summary: "write a policy file from casbin's files, or from an OpenAPI document",
    load: async () => (await import('./commands/import-command.js')).importCommand
  },
  {
    name: 'pull',
    summary: "write the policy of an environment of Permit's cloud as a file",
    load: async () => (await import('./commands/pull-command.js')).pullCommand
  },
  {
    name: 'diff',
    summary: 'compare a policy file with an environment of Permit; exit code 2 when they differ',
    load: async () => (await import('./commands/diff-command.js')).diffCommand
  },
  {
    name: 'push',
    summary: 'change an environment of Permit so that it matches a policy file',
    load: async () => (await import('./commands/push-command.js')).pushCommand
  },
  {
    name: 'replay',
    summary: 'show which decisions of an audit trail another policy would have made differently',
    exitCodeOnError: EXIT.unanswered,
    load: async () => (await import('./commands/replay-command.js')).replayCommand
  },
  {
    name: 'backup',
    summary: 'write the facts of a data folder into a file',
    load: async () => (await import('./commands/backup-command.js')).backupCommand
  },
  {
    name: 'restore',
    summary: 'restore the facts of a backup into a data folder',
    load: async () => (await import('./commands/restore-command.js')).restoreCommand
  }
]
