// Copies a database of which it is not known whether it is whole, in a process of its own, and says what is wrong with it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckMessage } from './check-process.js'
import { DamageError, RefusedError } from './database.js'

/** ms without a word from the process after which it is taken for lost in the file. */
const SILENCE_MS = 60_000

/** Signals by which a process dies of what it reads. */
const FATAL: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP'])

/** Options of Node by which the process of a check loads what this one has loaded. */
const LOADERS: ReadonlySet<string> = new Set(['--import', '--require', '-r', '--loader', '--experimental-loader'])

/**
 * Copies the database into a new file, once all of it has proven to be as it was written.
 *
 * @throws `DamageError` when it is damaged, `RefusedError` when it is not ours or of another version, `Error` when it cannot be told
 */
export async function copyVerified (source: string, target: string): Promise<void> {
  const script = fileURLToPath(new URL(`./check-process${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
  const child = fork(script, [source, target], { execArgv: loadersOf(process.execArgv), stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'json' })
  let last: CheckMessage | undefined
  let errors = ''
  let isSilent = false
  const silence = setTimeout(() => {
    isSilent = true
    child.kill('SIGKILL')
  }, SILENCE_MS)
  child.on('message', message => {
    last = message as CheckMessage
    silence.refresh()
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => { errors = `${errors}${chunk}`.slice(-2_000) })
  try {
    const [code, signal] = await once(child, 'close') as [number | null, string | null]
    if (last !== undefined && 'copied' in last) return
    if (last !== undefined && 'problem' in last) throw errorOf(last.problem, last.reason)
    if (isSilent) throw new DamageError('reading it does not end')
    // Windows has no signals: a process that dies of what it reads ends with one of its own large codes.
    if (signal !== null ? FATAL.has(signal) : (code ?? 0) > 255) throw new DamageError(`reading it ended in ${signal ?? `code ${code}`}`)
    throw new Error(`the process that checks it ended with ${signal ?? `code ${code}`}${errors === '' ? '' : `: ${errors.trim().split('\n').at(-1)}`}`)
  } finally {
    clearTimeout(silence)
  }
}

function errorOf (problem: 'damage' | 'refused' | 'failed', reason: string): Error {
  switch (problem) {
    case 'damage': return new DamageError(reason)
    case 'refused': return new RefusedError(reason)
    case 'failed': return new Error(reason)
  }
}

/** Not all of them: a script of `--eval` or an inspector's port is this process's own. */
function loadersOf (options: readonly string[]): string[] {
  return options.filter((option, index) => LOADERS.has(option.split('=')[0] ?? '') || LOADERS.has(options[index - 1] ?? ''))
}
