// How often V8 takes compiled code back while a guard is called: the count must not grow with the calls.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface DeoptRow {
  name: string
  /** The counts for 1 million calls and for 8 million calls. */
  few: number
  many: number
}

/** Output of V8 for a process, bytes. */
const MAX_OUTPUT = 64 * 1024 * 1024

/** Each case in processes of its own, as an app that has one kind of route runs it. */
export async function measureDeopts (cases: readonly string[], progress: (text: string) => void): Promise<DeoptRow[]> {
  const rows: DeoptRow[] = []
  for (const name of cases) {
    progress(`Deoptimisations: ${name}`)
    rows.push({ name, few: await deoptsOf(name, 10), many: await deoptsOf(name, 80) })
  }
  return rows
}

async function deoptsOf (name: string, rounds: number): Promise<number> {
  const guard = fileURLToPath(new URL('./guard.js', import.meta.url))
  const { stdout } = await run(process.execPath, ['--trace-deopt', guard, '--case', name, '--rounds', String(rounds)], { maxBuffer: MAX_OUTPUT })
  return stdout.split('\n').filter(line => line.includes('deoptimizing')).length
}
