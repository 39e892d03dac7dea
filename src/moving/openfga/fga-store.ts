// A store of OpenFGA over its HTTP API.
import { isRecord } from '../../kit/is-record.js'
import { MovingError } from '../moving-error.js'
import { ApiConnection, ApiError, type ConnectionOptions } from '../rest-client.js'
import type { FgaModel, FgaType } from './fga-model.js'
import { fgaModels, fgaModelWritten, fgaTuplesRead } from './fga-shapes.js'
import type { FgaTuple } from './fga-tuples.js'

/** The most tuples that one request of OpenFGA reads or writes. */
const PER_REQUEST = 100

type TuplesRead = typeof fgaTuplesRead extends { Check (value: unknown): value is infer V } ? V : never

/** A store. */
export class FgaStore {
  readonly #connection: ApiConnection
  readonly #path: string

  private constructor (connection: ApiConnection, store: string) {
    this.#connection = connection
    this.#path = `/stores/${encodeURIComponent(store)}`
  }

  /**
   * Connects. OpenFGA accepts writes to a store that does not exist, so the store is read first.
   *
   * @throws {@link MovingError} when OpenFGA cannot be reached, or the store does not exist
   */
  static async open (options: ConnectionOptions, id: string): Promise<FgaStore> {
    const connection = await ApiConnection.open(options)
    const store = new FgaStore(connection, id)
    try {
      await connection.ask('GET', store.#path, undefined)
      return store
    } catch (error) {
      await store.close()
      if (!(error instanceof ApiError && error.status === 404)) throw error
      throw new MovingError(`${options.url.origin} has no store ${id}\ncreate one, and check --store or FGA_STORE_ID`)
    }
  }

  /** The latest model; undefined when the store has none. */
  async model (): Promise<{ readonly id: string, readonly model: Pick<FgaModel, 'type_definitions'> } | undefined> {
    const path = `${this.#path}/authorization-models?page_size=1`
    const { authorization_models: [latest] } = await this.#connection.ask('GET', path, undefined, fgaModels)
    return latest === undefined ? undefined : { id: latest.id, model: { type_definitions: latest.type_definitions.map(typeOf) } }
  }

  /**
   * All tuples.
   *
   * @param onItems - called with the number of tuples of each answer
   */
  async tuples (onItems: (count: number) => void): Promise<FgaTuple[]> {
    const tuples: FgaTuple[] = []
    for (let token = ''; ;) {
      const body = { page_size: PER_REQUEST, ...(token === '' ? {} : { continuation_token: token }) }
      const answer: TuplesRead = await this.#connection.ask('POST', `${this.#path}/read`, body, fgaTuplesRead, true)
      tuples.push(...answer.tuples.map(({ key: { user, relation, object } }) => ({ user, relation, object })))
      onItems(answer.tuples.length)
      const next = answer.continuation_token ?? ''
      if (next === '') return tuples
      if (next === token) throw new MovingError('OpenFGA returned the same page of tuples twice; run the command again')
      token = next
    }
  }

  /** Writes a new model, which is the latest one from now on, and returns its id. */
  async writeModel (model: FgaModel): Promise<string> {
    const { authorization_model_id: id } = await this.#connection.ask('POST', `${this.#path}/authorization-models`, model, fgaModelWritten)
    return id
  }

  /** Writes tuples. Those that exist stay as they are, so a lost answer is no problem. */
  async write (tuples: readonly FgaTuple[], onDone: (count: number) => void): Promise<void> {
    await this.#inBatches(tuples, keys => ({ writes: { tuple_keys: keys, on_duplicate: 'ignore' } }), onDone)
  }

  /** Deletes tuples. Missing ones are ignored. */
  async delete (tuples: readonly FgaTuple[], onDone: (count: number) => void): Promise<void> {
    await this.#inBatches(tuples, keys => ({ deletes: { tuple_keys: keys, on_missing: 'ignore' } }), onDone)
  }

  async #inBatches (
    tuples: readonly FgaTuple[], bodyOf: (keys: readonly FgaTuple[]) => object, onDone: (count: number) => void
  ): Promise<void> {
    for (let from = 0; from < tuples.length; from += PER_REQUEST) {
      const keys = tuples.slice(from, from + PER_REQUEST).map(({ user, relation, object }) => ({ user, relation, object }))
      await this.#connection.ask('POST', `${this.#path}/write`, bodyOf(keys), undefined, true)
      onDone(keys.length)
    }
  }

  /** Closes all connections. */
  close (): Promise<void> {
    return this.#connection.close()
  }
}

/** A type without what the API fills in. Parts that no policy is translated to stay, so that they count as a difference. */
function typeOf (given: { readonly type: string }): FgaType {
  const { relations, metadata } = withoutEmpty(given) as Partial<FgaType>
  return { type: given.type, relations: relations ?? {}, metadata: { relations: metadata?.relations ?? {} } }
}

function withoutEmpty (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (!isRecord(value)) return value
  const said = Object.entries(value).filter(([, item]) => item !== '' && item !== null)
  return Object.fromEntries(said.map(([name, item]) => [name, withoutEmpty(item)]))
}
