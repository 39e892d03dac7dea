// The embedded PDP's environment: engine, schema and facts. All changes go through it.
import { resolve } from 'node:path'
import { compilePolicy } from '../engine/policy/compile-policy.js'
import { suggest } from '../kit/suggest.js'
import { printable } from '../kit/printable.js'
import { Engine, type UnknownPolicy, type WorkLimitError } from '../engine/engine.js'
import { type Facts } from '../engine/facts/facts.js'
import { isEmptyDelta, type FactsDelta } from '../engine/facts/loaded-facts.js'
import type { CompiledSchema } from '../engine/decide/decision-schema.js'
import { runSync, inTimeSlices } from '../kit/time-slices.js'
import { DEFAULT_TENANT, type FactChange, type TenantFact } from '../engine/facts/fact.js'
import type { Policy } from '../engine/policy/policy.js'
import { DataError } from '../contract/errors.js'
import { DurableWrites } from './durable-writes.js'
import { factKey, factOf, MetadataStore, type EntityKind, type LinkKind, type Metadata, type ObjectKind } from './object-metadata.js'
import { loadRecord } from './load-record.js'
import { isKind, restore } from './stored-records.js'
import {
  digestOf, objectsOf, readSavedSchema, SCHEMA_KINDS, SCHEMA_NAME, schemaOf, type SchemaDocument, type SchemaState
} from './environment-schema.js'
import type { AffectedUsers } from '../contract/affected-users.js'
import type { Step } from './transaction-step.js'
import { deleteFact, setFact, Transaction, usersOf } from './transaction.js'
import { FactWriter, stored, type FactOf, type Stored } from './fact-writer.js'
import { lineIn, type PolicyLines } from './file/policy-lines.js'
import { policyOfObject, type LoadedPolicy } from './file/loaded-policy.js'
import { readPolicyText } from './file/policy-text.js'
import { PolicyReload } from './file/policy-reload.js'
import { WorkLimitLog } from './work-limit-log.js'
import type { FactsContent } from './shared/fact-follower.js'
import type { SharedFolder } from './shared/shared-folder.js'
import type { SharedStep } from './shared/share-messages.js'
import { Store, type Batch } from './store.js'
import { splitAtColon } from '../kit/split-at-colon.js'

export type { EntityKind, ObjectKind } from './object-metadata.js'
export type { SchemaDocument, SchemaKind } from './environment-schema.js'
export type { FactOf, FactWriter, Stored } from './fact-writer.js'

/** The log of an environment, for example a pino logger. */
export interface EnvironmentLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

export interface EnvironmentOptions {
  /** A policy, or the path of a policy file; default: an empty policy. */
  readonly policy?: string | Policy
  /** The folder for durable facts; default: facts are kept in memory. */
  readonly data?: string
  /**
   * Whether to watch the policy file.
   * @defaultValue true
   */
  readonly watch?: boolean
  /**
   * How rules treat users that were never synced and tenants that do not exist: as Permit's PDP does, or `deny`.
   * @defaultValue `permit`
   */
  readonly unknown?: UnknownPolicy
  /**
   * Writes what a request of `perform` describes, which is JSON.
   * @defaultValue none: there is no `perform`
   */
  readonly perform?: (facts: FactWriter, request: unknown) => unknown
  /**
   * Whether processes share the folder. A request may come from another one then, so `perform` must check it.
   * @defaultValue false: one process has the folder
   */
  readonly shared?: boolean
  readonly log?: EnvironmentLog
  /**
   * The time, ms since 1970.
   * @defaultValue `Date.now`
   */
  readonly now?: () => number
}

/** Read access to the facts. */
export type FactsReader = Pick<Facts,
  'getUser' | 'userCount' | 'users' | 'getTenant' | 'tenantCount' | 'tenants' | 'getResourceInstance' | 'resourceInstances' |
    'roleAssignments' | 'roleAssignmentsNear' | 'assignmentsOfRole' | 'assignmentsOfResourceRole' | 'tuplesOfRelation' |
    'relationshipTuples' | 'relationshipTuplesNear' | 'revision' | 'removals'>

/** The engine, for decisions. Facts and schema are readable here; only the environment changes them. */
export type DecisionEngine = Omit<Engine, 'load' | 'facts'> & { readonly facts: FactsReader }

/** The longest time until the clock is read again, ms. */
const LONGEST_WAIT = 10_000

/** The most warnings of one kind in the log. */
const MAX_WARNINGS = 20

/**
 * One environment: its engine, its schema, its facts.
 *
 * A change takes effect for decisions at once. With a data folder it is acknowledged when it is durable; a change that cannot be made
 * durable is rolled back. Changes are synchronous, so they are applied one after the other.
 *
 * The schema comes from the policy, until the API changes it. With `data`, such a change is kept until the policy's schema changes:
 * then the policy's schema replaces it. Without a policy, the API's schema is always kept.
 *
 * The policy's facts are the initial facts. In memory, a changed policy file adds its new facts and removes facts that it no longer
 * lists. With `data`, they are written once, into an empty folder; after that, only the folder counts.
 */
export class Environment {
  #engine: Engine
  #metadata = new MetadataStore()
  readonly #unknown: UnknownPolicy | undefined
  readonly #listeners = new Set<(change: AffectedUsers) => void>()
  readonly #log: EnvironmentLog | undefined
  #schema: SchemaState = { document: schemaOf({}), base: undefined }
  #transaction: Transaction | undefined
  /** The folder; and its facts, until they are loaded. */
  #folder: string | undefined
  #content: FactsContent | undefined
  #store: Store | undefined
  #durableWrites: DurableWrites | undefined
  #shared: SharedFolder | undefined
  readonly #perform: EnvironmentOptions['perform']
  #reload: PolicyReload | undefined
  readonly #now: () => number
  /** Assignments that have ended since the last write, and whose records are still in the folder. */
  readonly #ended: Step[] = []
  readonly #unknownRoles = new Set<string>()
  #endTimer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  readonly #workLimitLog: WorkLimitLog
  /** The path of the policy file; and its lines, as long as the schema is that of the file. */
  #file: string | undefined
  #lines: PolicyLines | undefined

  /**
   * Opens an environment.
   * @throws `PolicyError` when the policy is invalid, `DataError` when the folder cannot be used
   */
  static async open (options: EnvironmentOptions = {}): Promise<Environment> {
    const { policy, data, watch = true } = options
    const environment = new Environment(options)
    environment.#file = typeof policy === 'string' ? policy : undefined
    try {
      // Compiled before the folder is created: an invalid policy must not leave a folder behind.
      const loaded = typeof policy === 'string' ? await environment.#readFile(policy, watch) : loadedFrom(policy)
      if (data !== undefined) await environment.#openFolder(data, options.shared)
      await environment.#start(loaded)
      await environment.#shared?.begin()
      environment.#reload?.start()
    } catch (error) {
      await environment.close()
      throw error
    }
    return environment
  }

  private constructor ({ log, unknown, perform, now = Date.now }: EnvironmentOptions) {
    this.#now = now
    this.#unknown = unknown
    this.#engine = this.#newEngine()
    this.#log = log
    this.#perform = perform
    this.#workLimitLog = new WorkLimitLog(log)
  }

  #newEngine (): Engine {
    const engine = new Engine(undefined, { unknown: this.#unknown, now: this.#now, onUnknownRole: role => this.#noteUnknownRole(role) })
    engine.facts.subscribe(change => {
      if (this.#transaction !== undefined) this.#transaction.noteFact(change)
      else if (change.kind === 'role_assignment' && change.ended === true && engine === this.#engine) this.#noteEnd(change)
    })
    return engine
  }

  /** Once for each role, and for a bounded number of them: a token may have anything. */
  #noteUnknownRole (role: string): void {
    if (this.#unknownRoles.size >= MAX_WARNINGS || this.#unknownRoles.has(role)) return
    this.#unknownRoles.add(role)
    const hint = suggest(role, Object.keys(this.#schema.document.roles ?? {}), 'it does not count')
    this.#log?.warn({}, `permit: the option "roles" gives the role '${printable(role)}', which the policy does not have; ${hint}`)
  }

  /** Answers queries. It may be another one later, with the same schema. */
  get engine (): DecisionEngine {
    return this.#engine
  }

  /** Until when decisions may be made by the facts, a time of `performance.now()`. Another process may have the folder, and be silent. */
  get currentUntil (): number {
    return this.#shared === undefined ? Infinity : this.#shared.currentUntil
  }

  /**
   * Whether decisions that were made earlier must not be used: a role has ended meanwhile, or the process that has the folder is silent.
   * Listeners are told of both by timers, which are late when the event loop was blocked or the process was stopped.
   */
  get isOverdue (): boolean {
    const { nextEnd } = this.#engine
    if (nextEnd !== Infinity && this.#now() >= nextEnd) return true
    return this.#shared !== undefined && performance.now() > this.currentUntil
  }

  /** How rules treat users that were never synced and tenants that do not exist. */
  get unknown (): UnknownPolicy {
    return this.#unknown ?? 'permit'
  }

  /** The current schema: that of the policy, with the changes of the API. Read only. */
  get schema (): SchemaDocument {
    return this.#schema.document
  }

  /** Logs, at most once a minute per place, that a decision would have taken too much work. Returns the message. */
  noteWorkLimit (error: WorkLimitError): string {
    const lines = this.#lines
    return this.#workLimitLog.note(error, { file: this.#file, lineOf: place => lines === undefined ? undefined : lineIn(lines, place) })
  }

  // Reading

  /** Finds a fact by its key or id. The key of a resource instance is `type:key`. */
  get<K extends EntityKind> (kind: K, keyOrId: string): Stored<FactOf[K]> | undefined {
    const key = this.resolve(kind, keyOrId)
    return key === undefined ? undefined : this.stored(kind, this.#metadata.get(kind, key)?.fact as FactOf[K])
  }

  /** A fact of the engine with its id and timestamps. */
  stored<K extends EntityKind | LinkKind> (kind: K, fact: FactOf[K]): Stored<FactOf[K]> {
    return stored(this.#metadata, kind, fact)
  }

  /** The key of the object with this key or id; undefined when there is none. The key of an object of a resource type is `type:key`. */
  resolve (kind: ObjectKind, keyOrId: string): string | undefined {
    return this.#metadata.resolve(kind, keyOrId)
  }

  /** The id and timestamps of an object, by its key. */
  metadata (kind: ObjectKind, key: string): Metadata | undefined {
    return this.#metadata.get(kind, key)
  }

  // Writing

  /**
   * Writes facts: everything that `change` does, or nothing if it throws. The change itself is synchronous; making it durable is not.
   * Where processes share a folder, use `perform`.
   *
   * @returns what `change` returns, once the write is durable
   * @throws `FactsError` for an invalid write, `StorageError` when it cannot be made durable; nothing has changed then
   */
  async write<T> (change: (writer: FactWriter) => T): Promise<T> {
    if (this.#isFollower) throw new Error('another process has the data folder; use perform')
    const { transaction, result } = this.#run(() => {
      const writer = new FactWriter({ facts: this.#engine.facts, metadata: this.#metadata, schema: this.schema })
      try {
        return change(writer)
      } finally {
        writer.close()
      }
    })
    await this.#commit(transaction)
    return result
  }

  /**
   * Writes what the request describes, by the option `perform`: in this process, or in the one that has the folder. Its change is in use
   * here then.
   *
   * @returns what the option returned, once the write is durable
   * @throws as `write` does, and `PdpError` when another process has the folder and does not confirm the write: it may have been made then
   */
  perform (request: unknown): Promise<unknown> {
    return this.#shared === undefined ? this.#performHere(request) : this.#shared.perform(request)
  }

  #performHere (request: unknown): Promise<unknown> {
    return this.write(facts => this.#perform?.(facts, request))
  }

  /**
   * Changes the schema: `change` edits the copy that it gets, or returns another schema. Facts that need something that was removed (a
   * role, a type, a relation) are removed, too.
   *
   * @throws `PolicyError` when the new schema is invalid; nothing has changed then
   */
  async updateSchema (change: (draft: SchemaDocument) => SchemaDocument | undefined | void): Promise<void> {
    const draft = structuredClone(this.schema)
    const document = schemaOf(change(draft) ?? draft)
    const { transaction } = this.#run(transaction => {
      const state = { document, base: this.#schema.base }
      this.#engine.load(document, { facts: false })
      this.#noteSchema(state, transaction)
      this.#removeOrphans(transaction)
      transaction.values.set(SCHEMA_NAME, JSON.stringify(state))
    })
    this.#lines = undefined
    await this.#commit(transaction)
  }

  /** Calls the listener after every change with the users whose decisions it can alter. Returns a function that removes the listener. */
  onChange (listener: (change: AffectedUsers) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** Stops watching, waits for pending writes, and closes the data folder. Acknowledged writes are kept. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    clearTimeout(this.#endTimer)
    await this.#reload?.close()
    await this.#shared?.close()
    await this.#durableWrites?.idle()
    await this.#store?.close()
    this.#listeners.clear()
  }

  async #start (loaded: LoadedPolicy | undefined): Promise<void> {
    const schema = schemaOf(loaded?.schema ?? {})
    const state = { document: schema, base: loaded === undefined ? undefined : digestOf(schema) }
    const isNew = !this.#restore()
    const saved = this.#savedSchema()
    const keep = saved !== undefined && (loaded === undefined || saved.state.base === state.base)
    if (saved !== undefined && !keep) {
      this.#log?.warn({ data: this.#folder },
        'permit: the policy has a new schema, which replaces the schema that the API changed; the changes of the API are dropped')
    }
    this.#content = undefined
    const { compiled } = loaded ?? policyOfObject({})
    const facts = isNew && !this.#isFollower ? runSync(this.#engine.compare(compiled.facts)) : undefined
    const { transaction } = this.#run(transaction => {
      // Without a folder nothing is written, and a start that fails leaves nothing to roll back: no step is kept.
      if (!this.#hasFolder) this.#transaction = undefined
      this.#engine.use(keep ? saved.compiled : compiled.schema, facts)
      this.#transaction = transaction
      if (!this.#hasFolder) this.#metadata.begin((kind, key) => factOf(this.#engine.facts, kind, key))
      this.#noteSchema(keep ? saved.state : state, transaction)
      if (!keep) transaction.values.set(SCHEMA_NAME, undefined)
      this.#noteDefaultTenant(transaction)
    })
    this.#lines = keep ? undefined : loaded?.lines
    await this.#commit(transaction)
    this.#warn()
  }

  /** Warns of rules that hold for more users than people expect, and of an operator for which Permit's container answers differently. */
  #warn (): void {
    if (this.#log === undefined) return
    const open = this.#engine.openUserSets()
    for (const { user_set: set, opens } of open.slice(0, MAX_WARNINGS)) {
      const details = { opens: opens.slice(0, MAX_WARNINGS) }
      this.#log.warn(details, `permit: user set '${printable(set)}' also holds for users that were never synced, ` +
        'and in tenants that do not exist; the option "unknown": \'deny\' excludes them')
    }
    if (open.length > MAX_WARNINGS) {
      this.#log.warn({}, `permit: ${open.length - MAX_WARNINGS} more user sets also hold for users that were never synced; ` +
        "'fastify-permit matrix' lists them")
    }
    const subsets = this.#engine.setsWithSubset()
    if (subsets.length > 0) {
      this.#log.warn({ sets: subsets.slice(0, MAX_WARNINGS) },
        "permit: 'array_subset', and 'array_superset' of nothing, are true of a missing attribute in Permit's container, and false here")
    }
  }

  /** An assignment has ended between two writes. Its record is removed from the folder with the next write. */
  #noteEnd (change: FactChange & { readonly kind: 'role_assignment' }): void {
    const key = factKey(change)
    const before = this.#metadata.noted(change.kind, key)
    if (before !== undefined) {
      this.#metadata.delete(change.kind, key)
      if (this.#store !== undefined) this.#ended.push({ kind: change.kind, key, before, after: undefined, change })
    }
    for (const listener of this.#listeners) listener({ users: [change.fact.user] })
  }

  /**
   * Ends assignments at their time, not with the next question: decisions and plans that are cached are forgotten then. The clock may be
   * set meanwhile, so it is read again after a while.
   */
  #watchEnds (): void {
    clearTimeout(this.#endTimer)
    const { nextEnd } = this.#engine
    if (nextEnd === Infinity || this.#closing !== undefined) return
    this.#endTimer = setTimeout(() => {
      this.#engine.endAssignments()
      this.#watchEnds()
    }, Math.min(Math.max(nextEnd - this.#now(), 0) + 1, LONGEST_WAIT)).unref()
  }

  #noteDefaultTenant (transaction: Transaction): void {
    if (this.#metadata.get('tenant', DEFAULT_TENANT) !== undefined) return
    transaction.noteFact({ op: 'set', kind: 'tenant', fact: this.#engine.facts.getTenant(DEFAULT_TENANT) as TenantFact })
  }

  // The folder

  /** Whether facts are in a folder, of this process or of another one. Those of the policy do not count then. */
  get #hasFolder (): boolean {
    return this.#store !== undefined || this.#shared !== undefined
  }

  /** Whether another process has the folder. */
  get #isFollower (): boolean {
    return this.#store === undefined && this.#shared !== undefined
  }

  async #openFolder (path: string, isShared = false): Promise<void> {
    this.#folder = resolve(path)
    if (!isShared) {
      const store = await Store.open(path)
      this.#content = { records: () => store.read(), value: name => store.value(name) }
      this.#keepIn(store)
      return
    }
    // An app without a folder does not load it.
    const { SharedFolder } = await import('./shared/shared-folder.js')
    this.#shared = await SharedFolder.join(path, {
      perform: request => this.#performHere(request),
      apply: steps => this.#apply(steps),
      adopt: (content, store) => this.#adopt(content, store),
      forget: () => this.#forget(),
      log: this.#log
    })
    this.#content = this.#shared.content()
    if (this.#shared.store !== undefined) this.#keepIn(this.#shared.store)
  }

  #keepIn (store: Store): void {
    this.#store = store
    this.#durableWrites = new DurableWrites(
      store,
      transaction => this.#undo(transaction),
      transactions => this.#shared?.publish(transactions)
    )
  }

  /** Loads facts and metadata from the folder. Returns whether the folder contained any. */
  #restore (): boolean {
    return this.#content !== undefined && runSync(this.#restored(this.#content, this.#engine, this.#metadata)) > 0
  }

  /** Loads facts and metadata, record by record. Returns their number. */
  * #restored (content: FactsContent, engine: Engine, metadata: MetadataStore): Generator<undefined, number> {
    let count = 0
    // Once: assignments that have ended are removed when all are there.
    const { facts } = engine
    for (const record of content.records()) {
      count++
      try {
        loadRecord(record, facts, metadata)
      } catch (error) {
        const name = `${record.kind}/${record.order}`
        throw new DataError(`the data folder ${this.#folder} contains an invalid record, ${name}: ${messageOf(error)}`)
      }
      yield
    }
    return count
  }

  /** Replaces all facts by those of the folder, at once, after the process that had it has ended. The schema stays. */
  async #adopt (content: FactsContent, store: Store | undefined): Promise<void> {
    const engine = this.#newEngine()
    const metadata = new MetadataStore()
    await inTimeSlices(this.#restored(content, engine, metadata))
    if (this.#closing !== undefined) throw new Error('the environment is closed')
    engine.use(compilePolicy(this.#schema.document).schema)
    this.#engine = engine
    this.#metadata = metadata
    this.#ended.length = 0
    this.#watchEnds()
    this.#forget()
    if (store === undefined) return
    this.#keepIn(store)
    try {
      const { transaction } = this.#run(transaction => {
        this.#noteSchema(this.#schema, transaction)
        this.#noteDefaultTenant(transaction)
      })
      await this.#commit(transaction)
    } catch (error) {
      this.#store = undefined
      this.#durableWrites = undefined
      throw error
    }
  }

  /** Applies what another process has written. */
  #apply (steps: readonly SharedStep[]): void {
    const changes = steps.map(step => {
      if ('gone' in step) return this.#remove(step)
      const [kind, order, json] = step
      const restored = restore({ kind, order, json })
      if (restored.change !== undefined) setFact(this.#engine.facts, restored.change)
      this.#metadata.set(restored.kind, restored.key, restored.entry)
      return restored
    })
    this.#watchEnds()
    const affected = usersOf(changes)
    if (affected !== undefined) for (const listener of this.#listeners) listener(affected)
  }

  #remove ({ gone: kind, key, fact }: Extract<SharedStep, { gone: unknown }>): { readonly change?: Pick<FactChange, 'kind' | 'fact'> } {
    if (!isKind(kind)) throw new Error(`there is no kind '${kind}'`)
    this.#metadata.delete(kind, key)
    if (fact === undefined) return {}
    const change = { kind, fact } as Pick<FactChange, 'kind' | 'fact'>
    deleteFact(this.#engine.facts, change)
    return { change }
  }

  #forget (): void {
    for (const listener of this.#listeners) listener({ all: true })
  }

  #savedSchema (): { readonly state: SchemaState, readonly compiled: CompiledSchema } | undefined {
    const json = this.#content?.value(SCHEMA_NAME)
    if (json === undefined) return undefined
    try {
      return readSavedSchema(json)
    } catch (error) {
      throw new DataError(`the data folder ${this.#folder} contains an invalid schema: ${messageOf(error)}`)
    }
  }

  async #readFile (file: string, watch: boolean): Promise<LoadedPolicy> {
    if (watch) {
      this.#reload = new PolicyReload({ file, log: this.#log, replace: loaded => this.#replace(loaded) })
      return this.#reload.first()
    }
    // An app whose policy is an object reads no file and loads no parser.
    const { loadPolicy } = await import('./file/policy-file.js')
    return loadPolicy(await readPolicyText(file), { file })
  }

  /** Returns whether the policy has changed. The long part runs in turns; then everything changes at once. */
  async #replace (loaded: LoadedPolicy): Promise<boolean> {
    const schema = schemaOf(loaded.schema)
    const base = digestOf(schema)
    for (;;) {
      const before = this.#schema
      // A changed comment or fact in the file must not revert what the API changed in the schema.
      const state = base === before.base ? before : { document: schema, base }
      const isOfFile = state !== before || digestOf(state.document) === base
      const compiled = isOfFile || this.#hasFolder ? loaded.compiled : await inTimeSlices(loaded.compileWith(state.document))
      // With a folder, the folder's facts count.
      const facts = !this.#hasFolder ? await inTimeSlices(this.#engine.compare(compiled.facts)) : undefined
      if (this.#closing !== undefined) return false
      // The API has changed the schema in the meantime.
      if (this.#schema !== before) continue
      if (state !== before || (facts !== undefined && !isEmptyDelta(facts))) await this.#use(state, compiled.schema, facts)
      // Changes of the API have no line in the file.
      if (isOfFile) this.#lines = loaded.lines
      if (state !== before) this.#warn()
      return state !== before || facts === undefined || !isEmptyDelta(facts)
    }
  }

  async #use (state: SchemaState, schema: CompiledSchema, facts: FactsDelta | undefined): Promise<void> {
    const { transaction } = this.#run(transaction => {
      const isNew = state !== this.#schema
      this.#engine.use(schema, facts)
      this.#noteSchema(state, transaction)
      if (isNew) transaction.values.set(SCHEMA_NAME, undefined)
    })
    await this.#commit(transaction)
  }

  #run<T> (change: (transaction: Transaction) => T): { readonly transaction: Transaction, readonly result: T } {
    if (this.#closing !== undefined) throw new Error('the environment is closed')
    const transaction = new Transaction(this.#metadata)
    this.#transaction = transaction
    try {
      transaction.steps.push(...this.#ended.splice(0))
      const result = change(transaction)
      if (result instanceof Promise) {
        result.catch(() => {})
        throw new TypeError('a write must be synchronous, but its function returned a promise')
      }
      return { transaction, result }
    } catch (error) {
      this.#undo(transaction)
      throw error
    } finally {
      this.#transaction = undefined
    }
  }

  async #commit (transaction: Transaction): Promise<void> {
    this.#watchEnds()
    this.#tell(transaction)
    if (this.#durableWrites === undefined) return
    let batch: Batch
    try {
      batch = transaction.batch
    } catch (error) {
      this.#undo(transaction)
      throw error
    }
    await this.#durableWrites.append(transaction, batch)
  }

  #undo (transaction: Transaction): void {
    this.#transaction = undefined
    this.#tell(transaction)
    const { schemaBefore } = transaction
    transaction.undo(this.#engine.facts)
    // Assignments that were removed, or got a later end, may be back.
    this.#watchEnds()
    if (schemaBefore === undefined) return
    this.#engine.load(schemaBefore.document, { facts: false })
    this.#schema = schemaBefore
  }

  #tell ({ touched }: Transaction): void {
    if (touched !== undefined) for (const listener of this.#listeners) listener(touched)
  }

  #noteSchema (next: SchemaState, transaction: Transaction): void {
    const before = this.#schema
    transaction.schemaBefore ??= before
    this.#schema = next
    // The process that has the folder keeps the metadata.
    if (this.#isFollower) return
    const gone = new Map(SCHEMA_KINDS.map(kind => [kind, new Set(this.#metadata.of(kind).keys())]))
    for (const { kind, key, content } of objectsOf(next.document)) {
      const digest = digestOf(content)
      gone.get(kind)?.delete(key)
      if (this.#metadata.get(kind, key)?.digest !== digest) transaction.noteObject(kind, key, digest)
    }
    for (const [kind, keys] of gone) {
      for (const key of keys) transaction.noteObject(kind, key, undefined)
    }
  }

  /** A role that is created again under the same name must not get back its old assignments. */
  #removeOrphans ({ steps }: Transaction): void {
    const gone = new Map<ObjectKind, Set<string>>()
    for (const { kind, key, after } of [...steps]) {
      if (after !== undefined) continue
      let keys = gone.get(kind)
      if (keys === undefined) gone.set(kind, keys = new Set())
      keys.add(key)
    }
    const { facts } = this.#engine
    for (const resource of gone.get('resource') ?? []) {
      for (const { key } of [...facts.resourceInstances({ resource })]) facts.deleteResourceInstance(`${resource}:${key}`)
    }
    for (const role of gone.get('role') ?? []) {
      for (const assignment of [...facts.assignmentsOfRole(role)]) facts.unassignRole(assignment)
    }
    for (const key of gone.get('resource_role') ?? []) {
      for (const assignment of [...facts.assignmentsOfResourceRole(...partOf(key))]) facts.unassignRole(assignment)
    }
    for (const key of gone.get('relation') ?? []) {
      for (const tuple of [...facts.tuplesOfRelation(...partOf(key))]) facts.deleteRelationshipTuple(tuple)
    }
  }
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function loadedFrom (policy: Policy | undefined): LoadedPolicy | undefined {
  return policy === undefined ? undefined : policyOfObject(policy)
}

/** Splits `type:part`. */
function partOf (key: string): [type: string, part: string] {
  const { before, after = '' } = splitAtColon(key)
  return [before, after]
}
