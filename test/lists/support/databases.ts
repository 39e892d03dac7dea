// Real databases for the tests of lists: SQLite as WebAssembly (or better-sqlite3, where a path to it is given), PostgreSQL as WebAssembly.
import { createRequire } from 'node:module'
import { PGlite } from '@electric-sql/pglite'
import sqlite, { type SQLiteValue } from 'node-sqlite3-wasm'
import type { Test } from 'tap'

export interface TestDatabase {
  readonly name: string
  all: (sql: string, values?: readonly unknown[]) => Promise<Array<Record<string, unknown>>>
}

interface BetterSqlite { prepare (sql: string): { all (...values: unknown[]): Array<Record<string, unknown>>, run (...values: unknown[]): unknown, reader: boolean }, close (): void }

/** SQLite in memory. With `BETTER_SQLITE3=/path/to/better-sqlite3` in the environment it is that one. */
export function sqliteFor (t: Test): TestDatabase {
  const path = process.env['BETTER_SQLITE3']
  if (path !== undefined) {
    const Database = createRequire(import.meta.url)(path) as new (file: string) => BetterSqlite
    const database = new Database(':memory:')
    t.teardown(() => { database.close() })
    const statements = new Map<string, ReturnType<BetterSqlite['prepare']>>()
    return {
      name: 'better-sqlite3',
      all: async (text, values = []) => {
        const statement = statements.get(text) ?? database.prepare(text)
        if (statements.size < 100) statements.set(text, statement)
        if (statement.reader) return statement.all(...values)
        statement.run(...values)
        return []
      }
    }
  }
  const database = new sqlite.Database(':memory:')
  t.teardown(() => { database.close() })
  return {
    name: 'node-sqlite3-wasm',
    all: async (text, values = []) => database.all(text, values as SQLiteValue[]) as Array<Record<string, unknown>>
  }
}

/** PostgreSQL in memory. */
export async function postgresqlFor (t: Test): Promise<TestDatabase & { readonly pglite: PGlite }> {
  const pglite = await PGlite.create()
  t.teardown(() => pglite.close())
  return {
    name: 'PGlite',
    pglite,
    all: async (text, values = []) => (await pglite.query<Record<string, unknown>>(text, [...values])).rows
  }
}
