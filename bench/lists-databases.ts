// The databases of the lists benchmark, each with a table of a million tasks: SQLite as WebAssembly, and PostgreSQL.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely'

const require = createRequire(import.meta.url)

export interface TaskTable { id: number, tenant_id: string, owner_id: string, public: number, title: string }
export interface Tables { tasks: TaskTable }

export interface BenchDatabase {
  readonly name: string
  readonly kysely: Kysely<Tables>
  all (sql: string, values?: readonly unknown[]): Promise<Array<Record<string, unknown>>>
  /** The plan of the database for a statement, as text. */
  explain (sql: string, values: readonly unknown[]): Promise<string>
  close (): Promise<void>
}

/** Tenants have as many tasks each, and each owner in a tenant as many. */
export const TENANTS = 50
export const OWNERS = 100

const TABLE = 'CREATE TABLE tasks (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, owner_id TEXT NOT NULL, public INTEGER NOT NULL, title TEXT NOT NULL)'
const INDEXES = ['CREATE INDEX tasks_owner ON tasks (tenant_id, owner_id, id)', 'CREATE INDEX tasks_tenant ON tasks (tenant_id, id)']
/** Row `n`: every tenant and owner comes again and again, and one task in ten is public. */
const ROW = `n, 't' || (n % ${TENANTS}), 'u' || (n % ${TENANTS}) || '-' || ((n / ${TENANTS}) % ${OWNERS}), CASE WHEN n % 7 = 0 THEN 1 ELSE 0 END, 'Task ' || n`

interface WasmDatabase {
  exec (sql: string): void
  all (sql: string, values?: readonly unknown[]): Array<Record<string, unknown>>
  run (sql: string, values?: readonly unknown[]): { changes: number, lastInsertRowid: number }
  close (): void
}

/** SQLite in memory. */
export async function sqlite (rows: number): Promise<BenchDatabase> {
  const { Database } = require('node-sqlite3-wasm') as { Database: new (file: string) => WasmDatabase }
  const database = new Database(':memory:')
  database.exec(TABLE)
  database.exec(`WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${rows}) INSERT INTO tasks SELECT ${ROW} FROM numbers`)
  for (const index of INDEXES) database.exec(index)
  database.exec('ANALYZE')
  const prepare = (sql: string) => ({
    reader: true,
    all: (values: readonly unknown[]) => database.all(sql, values),
    run: (values: readonly unknown[]) => database.run(sql, values),
    iterate: (values: readonly unknown[]) => database.all(sql, values).values()
  })
  const kysely = new Kysely<Tables>({ dialect: new SqliteDialect({ database: async () => ({ prepare, close: () => database.close() }) }) })
  return {
    name: 'SQLite (node-sqlite3-wasm)',
    kysely,
    all: async (sql, values = []) => database.all(sql, values),
    explain: async (sql, values) => database.all(`EXPLAIN QUERY PLAN ${sql}`, values).map(({ detail }) => String(detail)).join('\n'),
    close: () => kysely.destroy()
  }
}

interface Queried { rows: Array<Record<string, unknown>>, command?: string, rowCount?: number }
interface Client { query (sql: string, values?: readonly unknown[]): Promise<Queried>, release (): void }
interface Pool { connect (): Promise<Client>, end (): Promise<void>, on? (event: 'error', listener: () => void): unknown }

/** PostgreSQL: the server where this machine has one, otherwise PGlite. */
export async function postgresql (rows: number): Promise<BenchDatabase> {
  const server = await startServer()
  const { pool, name } = server ?? await pglite()
  const client = await pool.connect()
  const all = async (sql: string, values: readonly unknown[] = []) => (await client.query(sql, [...values])).rows
  await all(TABLE)
  await all(`INSERT INTO tasks SELECT ${ROW} FROM generate_series(1, ${rows}) AS n`)
  for (const index of INDEXES) await all(index)
  await all('VACUUM ANALYZE tasks')
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: pool as never }) })
  return {
    name,
    kysely,
    all,
    explain: async (sql, values) => (await all(`EXPLAIN ${sql}`, values)).map(row => String(row['QUERY PLAN'])).join('\n'),
    async close () {
      client.release()
      await kysely.destroy()
      await server?.stop()
    }
  }
}

async function pglite (): Promise<{ pool: Pool, name: string }> {
  const { PGlite } = await import('@electric-sql/pglite' as string) as { PGlite: { create (): Promise<{ query (sql: string, values?: unknown[]): Promise<Queried>, close (): Promise<void> }> } }
  const database = await PGlite.create()
  const client: Client = { query: async (sql, values = []) => ({ command: 'SELECT', rowCount: 0, ...await database.query(sql, [...values]) }), release: () => {} }
  return { name: 'PostgreSQL (PGlite)', pool: { connect: async () => client, end: () => database.close() } }
}

/** A server of its own on a socket in a folder of its own. It does not run as root, so root starts it as the user of Debian's package. */
async function startServer (): Promise<{ pool: Pool, name: string, stop (): Promise<void> } | undefined> {
  const folder = binaries()
  if (folder === undefined) return undefined
  const user: { uid?: number, gid?: number } | undefined = process.getuid?.() === 0 ? idsOf('postgres') : {}
  if (user === undefined) return undefined
  const home = mkdtempSync(join(tmpdir(), 'bench-postgresql-'))
  if (user.uid !== undefined) {
    chownSync(home, user.uid, user.gid ?? user.uid)
    chmodSync(home, 0o700)
  }
  const data = join(home, 'data')
  const made = spawnSync(join(folder, 'initdb'), ['-D', data, '-U', 'bench', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'], { ...user, cwd: home, encoding: 'utf8' })
  if (made.status !== 0) {
    rmSync(home, { recursive: true, force: true })
    return undefined
  }
  const child = spawn(join(folder, 'postgres'), ['-D', data, '-k', home, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'shared_buffers=256MB', '-c', 'jit=off'], { ...user, cwd: home, stdio: 'ignore' })
  const ended = once(child, 'exit')
  const kill = () => {
    child.kill('SIGQUIT')
    rmSync(home, { recursive: true, force: true })
  }
  process.once('exit', kill)
  const stop = async () => {
    process.off('exit', kill)
    child.kill('SIGINT')
    await ended
    rmSync(home, { recursive: true, force: true })
  }
  const pg = require('pg') as { Pool: new (options: object) => Pool }
  const pool = new pg.Pool({ host: home, user: 'bench', database: 'postgres', max: 2 })
  // The server says on idle connections that it ends.
  pool.on?.('error', () => {})
  for (;;) {
    if (child.exitCode !== null) throw new Error('PostgreSQL ended')
    try {
      const client = await pool.connect()
      const { rows: [row] } = await client.query('SHOW server_version')
      client.release()
      const name = `PostgreSQL ${String(row?.['server_version']).replace(/ .*/, '')}`
      return { name, pool, stop }
    } catch {
      await delay(100)
    }
  }
}

function binaries (): string | undefined {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return undefined
  return readdirSync(versions).map(version => join(versions, version, 'bin')).findLast(folder => existsSync(join(folder, 'postgres')))
}

function idsOf (name: string): { uid: number, gid: number } | undefined {
  const [uid, gid] = ['-u', '-g'].map(option => Number(spawnSync('id', [option, name], { encoding: 'utf8' }).stdout))
  return uid ? { uid, gid: gid! } : undefined
}

interface Query { readonly sql: string, readonly args: readonly unknown[] }
export interface PrismaClient { task: { findMany (query: object): Promise<Array<{ id: number }>> }, $disconnect (): Promise<void> }

const MODEL = `model Task {
  id       Int    @id
  tenantId String @map("tenant_id")
  ownerId  String @map("owner_id")
  public   Int
  title    String
  @@map("tasks")
}`
const FIELDS = [['id', 'id', 'Int'], ['tenantId', 'tenant_id', 'String'], ['ownerId', 'owner_id', 'String'], ['public', 'public', 'Int'], ['title', 'title', 'String']] as const
/** Prisma's numbers of column types. */
const COLUMN_TYPES: Readonly<Record<string, number>> = { id: 0, public: 0 }
const TEXT = 7

/** Prisma's client with its real query compiler on SQLite, of the parts that `prisma generate` would write down. */
export function prismaOn (database: BenchDatabase): PrismaClient {
  const runtime = require('@prisma/client/runtime/client.js') as { getPrismaClient (config: object): new (options: object) => PrismaClient }
  const source = { env: { fromEnvVar: null, value: 'file:./none.db' } }
  const Client = runtime.getPrismaClient({
    generator: { name: 'client', provider: { fromEnvVar: null, value: 'prisma-client-js' }, output: { value: '/nowhere', fromEnvVar: null }, config: { engineType: 'client' }, binaryTargets: [], previewFeatures: [], sourceFilePath: '/nowhere/schema.prisma' },
    relativeEnvPaths: { rootEnvPath: null },
    relativePath: '.',
    clientVersion: (require('@prisma/client/package.json') as { version: string }).version,
    engineVersion: 'none',
    datasourceNames: ['db'],
    activeProvider: 'sqlite',
    postinstall: false,
    inlineDatasources: { db: { url: source.env } },
    inlineSchema: `generator client {\n  provider = "prisma-client-js"\n  engineType = "client"\n}\n\ndatasource db {\n  provider = "sqlite"\n  url = "file:./none.db"\n}\n\n${MODEL}\n`,
    inlineSchemaHash: 'none',
    copyEngine: true,
    dirname: '/nowhere',
    runtimeDataModel: { models: { Task: { dbName: 'tasks', fields: FIELDS.map(([name, dbName, type]) => ({ kind: 'scalar', name, dbName, type, isList: false })) } }, enums: {}, types: {} },
    engineWasm: undefined,
    compilerWasm: {
      getRuntime: async () => require('@prisma/client/runtime/query_compiler_bg.sqlite.js') as unknown,
      getQueryCompilerWasmModule: async () => {
        const { wasm } = require('@prisma/client/runtime/query_compiler_bg.sqlite.wasm-base64.js') as { wasm: string }
        const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module: new (bytes: Uint8Array) => unknown } }
        return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
      }
    }
  })
  const queryRaw = async ({ sql, args }: Query): Promise<object> => {
    const rows = await database.all(sql, args)
    const names = Object.keys(rows[0] ?? { id: '' })
    return { columnNames: names, columnTypes: names.map(name => COLUMN_TYPES[name] ?? TEXT), rows: rows.map(row => names.map(name => row[name])) }
  }
  const unused = async (): Promise<never> => { throw new Error('nothing but queries is run') }
  const connection = { provider: 'sqlite', adapterName: 'bench', queryRaw, executeRaw: unused, executeScript: unused, startTransaction: unused, dispose: async () => {}, getConnectionInfo: () => ({ supportsRelationJoins: false }) }
  return new Client({ adapter: { provider: 'sqlite', adapterName: 'bench', connect: async () => connection }, errorFormat: 'minimal' })
}
