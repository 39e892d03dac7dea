// The owner of a data folder serves the other processes: sends them the facts and each change, and applies their writes.
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { drained } from '../../kit/socket-drain.js'
import { readJson } from '../../kit/read-json.js'
import { FactsError } from '../../engine/facts/fact.js'
import { FORMAT } from '../data/database.js'
import { recordOf } from '../stored-records.js'
import { StorageError, type Store, type StoreSnapshot } from '../store.js'
import type { Transaction } from '../transaction.js'
import { MessageLines } from './message-lines.js'
import {
  followerMessageChecker, helloChecker, type Hello, type OwnerMessage, type SharedFailure, type SharedStep
} from './share-messages.js'

/** The longest message of a follower, bytes. The longest ones have the attributes of one object. */
export const MAX_REQUEST = 4 * 1024 * 1024

/** The most writes of one follower at a time. */
export const MAX_WRITES = 1_000

/** A follower with more unread characters than this is disconnected. It reconnects when it can. */
const MAX_BACKLOG = 64 * 1024 * 1024

/** How many characters are sent at a time. */
const CHUNK = 64 * 1024

/** The read timeout of a follower that receives all facts, ms: until it has them, the disk space of changed records is not freed. */
const PATIENCE = 10_000

/** How long closing waits until followers have received their last answers, ms. */
const FAREWELL = 500

interface Served {
  readonly store: Pick<Store, 'snapshot' | 'fingerprint'>
  /** Applies a write, and resolves when it is durable. Throws for an invalid request. */
  readonly perform: (request: unknown) => Promise<unknown>
}

export class FactOwner {
  readonly #followers = new Set<Follower>()
  /** Followers that connected before the facts were loaded. */
  readonly #early = new Map<Socket, string>()
  #served: Served | undefined
  #isClosed = false

  /** Handles a process that wants to follow. */
  accept (socket: Socket, hello: string): void {
    if (this.#isClosed) {
      socket.destroy()
    } else if (this.#served === undefined) {
      this.#early.set(socket, hello)
      socket.once('close', () => { this.#early.delete(socket) })
    } else {
      this.#follow(socket, hello, this.#served)
    }
  }

  /** The facts are loaded: from now on, followers are served. */
  open (served: Served): void {
    this.#served = served
    for (const [socket, hello] of this.#early) this.#follow(socket, hello, served)
    this.#early.clear()
  }

  /** Sends transactions that are durable now. */
  publish (transactions: readonly Transaction[]): void {
    if (this.#followers.size === 0 || this.#served === undefined) return
    const texts: string[] = []
    let steps: SharedStep[] = []
    let length = 0
    for (const transaction of transactions) {
      for (const step of transaction.steps) {
        const { json, kind, order } = recordOf(step)
        steps.push(json === undefined ? { gone: step.kind, key: step.key, fact: step.change?.fact } : [kind, order, json])
        length += json === undefined ? step.key.length : json.length
        if (length < CHUNK) continue
        texts.push(textOf({ steps }))
        steps = []
        length = 0
      }
    }
    texts.push(textOf({ steps }), textOf({ commit: this.#served.store.fingerprint }))
    for (const follower of this.#followers) follower.send(...texts)
  }

  /** Answers the writes in progress and applies no further ones. The followers then know that those were not applied. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const socket of this.#early.keys()) socket.destroy()
    await Promise.all([...this.#followers].map(follower => follower.dismiss()))
  }

  #follow (socket: Socket, line: string, served: Served): void {
    let hello: unknown
    try {
      hello = readJson(line)
    } catch {
      hello = undefined
    }
    if (!helloChecker.Check(hello) || hello.format !== FORMAT) {
      socket.end(textOf({ refused: 'its version of fastify-permit is another one' }))
      return
    }
    const follower = new Follower(socket, served)
    this.#followers.add(follower)
    socket.once('close', () => { this.#followers.delete(follower) })
    follower.begin(hello)
  }
}

/** One process that follows. */
class Follower {
  readonly #socket: Socket
  readonly #served: Served
  readonly #writes = new Set<Promise<void>>()
  /** Messages that wait for the end of the snapshot; undefined once it was sent. */
  #queue: string[] | undefined = []
  #queued = 0

  constructor (socket: Socket, served: Served) {
    this.#socket = socket
    this.#served = served
  }

  begin ({ known }: Hello): void {
    const lines = new MessageLines(MAX_REQUEST)
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of lines.push(chunk)) this.#take(message)
      } catch {
        this.#socket.destroy()
      }
    })
    const { store } = this.#served
    if (known !== undefined && isSame(known, store.fingerprint)) {
      this.#socket.write(textOf({ same: true }))
      this.#queue = undefined
    } else {
      this.#sendSnapshot(store.snapshot()).catch(() => { this.#socket.destroy() })
    }
    this.#socket.resume()
  }

  /** Sends texts, after the snapshot. */
  send (...texts: readonly string[]): void {
    const text = texts.join('')
    if (this.#queue === undefined) {
      this.#socket.write(text)
    } else {
      this.#queue.push(text)
      this.#queued += text.length
    }
    if (this.#queued + this.#socket.writableLength > MAX_BACKLOG) this.#socket.destroy()
  }

  async dismiss (): Promise<void> {
    this.#socket.pause().removeAllListeners('data')
    await Promise.all(this.#writes)
    // An incomplete snapshot cannot be used.
    if (this.#queue !== undefined) this.#socket.destroy()
    if (this.#socket.destroyed) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, FAREWELL)
      this.#socket.end(textOf({ bye: true }), () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #take (message: unknown): void {
    if (!followerMessageChecker.Check(message)) throw new Error('it is not a message')
    if ('ping' in message) {
      this.send(textOf({ pong: message.ping }))
      return
    }
    if (this.#writes.size >= MAX_WRITES) throw new Error('there are too many writes')
    const { write: id, request } = message
    const writing = this.#served.perform(request).then(
      result => { this.send(textOf({ done: id, result })) },
      (error: unknown) => { this.send(textOf({ failed: id, error: failureOf(error) })) }
    ).finally(() => { this.#writes.delete(writing) })
    this.#writes.add(writing)
  }

  async #sendSnapshot (snapshot: StoreSnapshot): Promise<void> {
    this.#socket.setTimeout(PATIENCE, () => this.#socket.destroy())
    try {
      let lines = textOf({ snapshot: snapshot.records })
      for (const held of snapshot.held()) {
        lines += textOf('name' in held ? [held.name, held.json] : [held.kind, held.order, held.json])
        if (lines.length < CHUNK) continue
        if (this.#socket.destroyed) return
        if (!this.#socket.write(lines)) await drained(this.#socket)
        lines = ''
        // Decisions come first.
        await nextTurn()
      }
      this.#socket.write(`${lines}${textOf({ end: snapshot.fingerprint })}`)
    } finally {
      snapshot.release()
    }
    this.#socket.removeAllListeners('timeout').setTimeout(0)
    for (const text of this.#queue ?? []) this.#socket.write(text)
    this.#queue = undefined
    this.#queued = 0
  }
}

export function textOf (message: OwnerMessage): string {
  return `${JSON.stringify(message)}\n`
}

function isSame (a: NonNullable<Hello['known']>, b: Store['fingerprint']): boolean {
  return a.entries === b.entries && a.sum[0] === b.sum[0] && a.sum[1] === b.sum[1]
}

function failureOf (error: unknown): SharedFailure {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof FactsError) return { kind: 'facts', code: error.code, message }
  return { kind: error instanceof StorageError ? 'storage' : 'other', message }
}
