// The command as a process of its own, as a shell would run it.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { built } from '../support/built.js'

const MAIN = built('cli/main.js')

export interface Ended {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly process: ChildProcess
  /** The first line on stdout that matches. */
  line (pattern: RegExp): Promise<RegExpMatchArray>
  ended (): Promise<Ended>
}

/** Starts it; whatever is left of it goes when the test is over. */
export function start (t: Test, args: readonly string[], env: Record<string, string> = {}): Running {
  // What the test runner has in its environment is not for the command.
  const { NODE_OPTIONS: _, PERMIT_API_KEY: _key, PDP_API_KEY: _pdp, ...clean } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const closed = once(child, 'close') as Promise<[number | null]>
  const lines: string[] = []
  let err = ''
  const reader = createInterface({ input: child.stdout })
  reader.on('line', line => { lines.push(line) })
  child.stderr.setEncoding('utf8').on('data', chunk => { err += chunk })

  return {
    process: child,
    async line (pattern) {
      for (let next = 0; ; next++) {
        if (next === lines.length) {
          const ended = await Promise.race([once(reader, 'line').then(() => false), closed.then(() => true)])
          if (ended && next === lines.length) throw new Error(`it ended without saying ${pattern}: ${err}`)
        }
        const match = lines[next]?.match(pattern)
        if (match) return match
      }
    },
    async ended () {
      const [code] = await closed
      return { code, out: lines.join('\n'), err }
    }
  }
}

/** Runs it to its end. */
export function run (t: Test, ...args: string[]): Promise<Ended> {
  return start(t, args).ended()
}
