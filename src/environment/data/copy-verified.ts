// Copies a database that may be damaged, in a process of its own, and reports what is wrong with it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CheckMessage } from './check-process.js'
import { DamageError, RefusedError } from './database.js'

/** After this time without a message, the process is assumed to loop in a damaged file, ms. */
const SILENCE_MS = 60_000

/** Signals that end a process which reads a damaged file. */
const FATAL: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP'])

/** Options of Node that load hooks. The new process gets them, too. */
const LOADERS: ReadonlySet<string> = new Set(['--import', '--require', '-r', '--loader', '--experimental-loader'])

/**
 * Checks the whole database and copies it into a new file.
 *
 * @throws `DamageError` when it is damaged, `RefusedError` when another program or version wrote it, `Error` for any other failure
 */
export async function copyVerified (source: string, target: string): Promise<void> {
  const script = fileURLToPath(new URL(`./check-process${extname(fileURLToPath(import.meta.url))}`, import.meta.url))
  const child = fork(script, [source, target], {
    execArgv: loadersOf(process.execArgv),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json'
  })
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
    // Windows has no signals: a process that crashes ends with a large exit code.
    if (signal !== null ? FATAL.has(signal) : (code ?? 0) > 255) throw new DamageError(`reading it ended with ${signal ?? `code ${code}`}`)
    const details = errors === '' ? '' : `: ${errors.trim().split('\n').at(-1)}`
    throw new Error(`the process that checks it ended with ${signal ?? `code ${code}`}${details}`)
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

/** Only these: a script of `--eval` or an inspector's port belongs to this process alone. */
function loadersOf (options: readonly string[]): string[] {
  return options.filter((option, index) => LOADERS.has(option.split('=')[0] ?? '') || LOADERS.has(options[index - 1] ?? ''))
}
