// Starts the example app as a process of its own, the way a person does, and waits for what it prints.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Node itself, so that a signal arrives at the app; `npm start` puts two processes in between. */
const NODE = [process.execPath, '--import', 'tsx', 'example-app/main.ts']

/** The same for the app in Express. */
export const EXPRESS = [...NODE.slice(0, -1), 'example-app/express.ts']

export interface StartedApp {
  /** Where it listens, as it printed it. */
  readonly url: string
  /** Everything it printed. */
  readonly output: string
  /** Asks it to stop, and resolves to its exit code. */
  stop (signal?: NodeJS.Signals): Promise<number | null>
}

/** Starts the app on a free port. It ends with the test at the latest. */
export async function startApp (t: Test, env: Record<string, string> = {}, command: readonly string[] = NODE): Promise<StartedApp> {
  // What the test runner or the shell have in their environment is not what a newcomer has.
  const { NODE_OPTIONS: _, PERMIT_PDP_URL: __, PERMIT_API_KEY: ___, JWT_SECRET: ____, HOST: _____, CERBOS_URL: ______, ...inherited } = process.env
  const [file = '', ...args] = command
  // A process group of its own, so that npm's children end with it.
  const child = spawn(file, args, { cwd: root, env: { ...inherited, PORT: '0', ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const kill = (signal: NodeJS.Signals) => { if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), signal) }
  t.teardown(() => kill('SIGKILL'))

  let output = ''
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => { errors += chunk })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk
      // The last thing that it prints is where the documents are, or where there is more.
      const [, found] = /listens on (\S+) [^]*(?:\/docs|npm start)\n/.exec(output) ?? []
      if (found !== undefined) resolve(found)
    })
    exited.then(([code]) => reject(new Error(`the app ended with ${code}: ${errors}`)), reject)
  })

  return {
    url,
    output,
    async stop (signal = 'SIGTERM') {
      kill(signal)
      const [code] = await exited
      return code as number | null
    }
  }
}
