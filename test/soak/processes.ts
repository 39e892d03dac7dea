// The processes of the soak: a local PDP that can be killed, hung and started again at the same place, and the app.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { built } from '../support/built.js'
import { EXTENSION, LOADER } from '../support/program.js'

const LISTENS = /listens on (http:\/\/\S+)/

/** Whatever happens to this process, they do not outlive it. */
const children = new Set<ChildProcess>()
process.once('exit', () => { for (const child of children) child.kill('SIGKILL') })

class Running {
  readonly child: ChildProcess
  readonly url: Promise<string>
  readonly exited: Promise<unknown>
  errors = ''

  constructor (args: readonly string[], env: Record<string, string> = {}) {
    // What a test runner has in its environment is not for them.
    const { NODE_OPTIONS: _, ...clean } = process.env
    this.child = spawn(process.execPath, args, { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(this.child)
    this.child.once('exit', () => children.delete(this.child))
    this.exited = once(this.child, 'exit')
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => { this.errors += chunk.slice(0, 10_000) })
    this.url = this.#url()
    // Whoever waits for it hears of it.
    this.url.catch(() => {})
  }

  async #url (): Promise<string> {
    if (this.child.stdout === null) throw new Error('it has no output')
    for await (const line of createInterface({ input: this.child.stdout })) {
      const url = LISTENS.exec(line)?.[1]
      if (url !== undefined) return url
    }
    throw new Error(`it ended before it listened: ${this.errors}`)
  }

  kill (signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}

export class Pdp {
  readonly token = 'soak-token'
  /** How many processes there have been, and which of them was the last that listened. */
  generation = 0
  listened = 0
  url = ''
  readonly #policy: string
  readonly #data: string
  #running: Running | undefined

  /** @param data - the folder for facts: what was acknowledged must survive the process */
  constructor (policy: string, data: string) {
    this.#policy = policy
    this.#data = data
  }

  /** Starts a process where the one before it was. */
  async start (): Promise<void> {
    this.generation++
    const port = this.url === '' ? '0' : new URL(this.url).port
    this.#running = new Running(
      [built('cli/main.js'), 'pdp', '--policy', this.#policy, '--data', this.#data, '--port', port],
      { PERMIT_API_KEY: this.token })
    this.url = await this.#running.url
    this.listened = this.generation
  }

  signal (signal: NodeJS.Signals): void {
    this.#running?.kill(signal)
  }

  /** Ends it the hard way, also when it is stopped. */
  async kill (): Promise<void> {
    this.signal('SIGKILL')
    await this.#running?.exited
  }

  /** Asks it to end. */
  async terminate (): Promise<void> {
    this.signal('SIGTERM')
    await this.#running?.exited
  }
}

export interface AppProcess {
  readonly url: string
  /** Asks it to end; tells its exit code, undefined when it has not ended in time, and what it said on stderr. */
  close (timeout: number): Promise<{ code: number | null | undefined, errors: string }>
  kill (): void
}

export async function startApp (pdp: Pdp): Promise<AppProcess> {
  const program = fileURLToPath(new URL(`app.${EXTENSION}`, import.meta.url))
  const running = new Running(['--expose-gc', ...LOADER, program, pdp.url, pdp.token])
  return {
    url: await running.url,
    async close (timeout) {
      running.kill('SIGTERM')
      const timer = setTimeout(() => running.kill('SIGKILL'), timeout)
      await running.exited
      clearTimeout(timer)
      const { exitCode, signalCode } = running.child
      return { code: signalCode === 'SIGKILL' ? undefined : exitCode, errors: running.errors }
    },
    kill: () => running.kill('SIGKILL')
  }
}
