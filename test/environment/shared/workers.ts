// Workers of a real node:cluster, whose apps share a data folder; the test's process is their primary.
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { built } from '../../support/built.js'

export type Command = 'grant' | 'revoke' | 'sync' | 'large' | 'read' | 'close'

interface Answer { readonly id?: number, readonly result?: unknown, readonly error?: string, readonly ready?: true, readonly role?: 'owner' | 'follower' }

/** One worker. */
export class AppWorker {
  /** Which one has the folder. Unknown until the worker says it: the first one says nothing. */
  role: 'owner' | 'follower' = 'owner'
  isDead = false
  readonly #worker: Worker
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #lastId = 0

  static async start (t: Test, policy: string, data: string): Promise<AppWorker> {
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('cluster-worker.mjs', import.meta.url)),
      args: [pathToFileURL(built('index.js')).href, policy, data],
      execArgv: []
    })
    const worker = new AppWorker(cluster.fork())
    t.teardown(() => worker.kill())
    await worker.#ready
    return worker
  }

  readonly #ready: Promise<void>

  private constructor (worker: Worker) {
    this.#worker = worker
    this.#ready = new Promise((resolve, reject) => {
      worker.on('message', (answer: Answer) => {
        if (answer.role !== undefined) this.role = answer.role
        if (answer.ready) resolve()
        if (answer.id !== undefined) this.#settle(answer.id, answer)
      })
      worker.once('exit', () => {
        this.isDead = true
        reject(new Error('the worker ended'))
        for (const id of this.#waiting.keys()) this.#settle(id, { error: 'the worker ended' })
      })
    })
    this.#ready.catch(() => {})
  }

  get pid (): number {
    return this.#worker.process.pid as number
  }

  /** Does it there. Rejects when it failed, or when the worker ended before it said that it was done. */
  async do (what: Command, user: string): Promise<unknown> {
    const { result, error } = await new Promise<Answer>(resolve => {
      if (this.isDead) return resolve({ error: 'the worker ended' })
      const id = ++this.#lastId
      this.#waiting.set(id, resolve)
      this.#worker.send({ id, what, user }, error => { if (error !== null) this.#settle(id, { error: 'the worker ended' }) })
    })
    if (error !== undefined) throw new Error(error)
    return result
  }

  /** The status of a request that needs the role. */
  async read (user: string): Promise<number> {
    return await this.do('read', user) as number
  }

  signal (signal: 'SIGSTOP' | 'SIGCONT'): void {
    process.kill(this.pid, signal)
  }

  async kill (): Promise<void> {
    if (this.isDead) return
    const exited = once(this.#worker, 'exit')
    process.kill(this.pid, 'SIGKILL')
    await exited
  }

  async close (): Promise<void> {
    const exited = once(this.#worker, 'exit')
    await this.do('close', '').catch(() => {})
    await exited
  }

  #settle (id: number, answer: Answer): void {
    this.#waiting.get(id)?.(answer)
    this.#waiting.delete(id)
  }
}
