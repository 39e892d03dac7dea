// Durable writes: a write is acknowledged when it is on disk. Waiting transactions are written together. If the write fails, all are rolled
// back.
import type { Transaction } from './transaction.js'
import type { Batch, Store } from './store.js'

interface Waiting {
  readonly transaction: Transaction
  readonly batch: Batch
  resolve (): void
  reject (error: unknown): void
}

export class DurableWrites {
  readonly #store: Pick<Store, 'write'>
  readonly #undo: (transaction: Transaction) => void
  readonly #written: (transactions: readonly Transaction[]) => void
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined

  /**
   * @param undo - rolls back a transaction; called for the latest one first
   * @param written - gets the transactions that are durable now, before they are acknowledged
   */
  constructor (
    store: Pick<Store, 'write'>, undo: (transaction: Transaction) => void,
    written: (transactions: readonly Transaction[]) => void = () => {}
  ) {
    this.#store = store
    this.#undo = undo
    this.#written = written
  }

  /** Resolves when the batch and all batches before it are durable. The write is acknowledged then. */
  append (transaction: Transaction, batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ transaction, batch, resolve, reject })
      this.#writing ??= this.#write()
    })
  }

  /** Resolves when no transaction is waiting. Never rejects. */
  async idle (): Promise<void> {
    await this.#writing
  }

  async #write (): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        await this.#store.write({
          records: group.flatMap(({ batch }) => batch.records),
          values: new Map(group.flatMap(({ batch }) => [...batch.values]))
        })
      } catch (error) {
        // Transactions that came in the meantime build on those that are now rolled back.
        const failed = [...group, ...this.#waiting.splice(0)]
        for (const { transaction } of failed.toReversed()) this.#undo(transaction)
        for (const { reject } of failed) reject(error)
        continue
      }
      this.#written(group.map(({ transaction }) => transaction))
      for (const { resolve } of group) resolve()
    }
    this.#writing = undefined
  }
}
