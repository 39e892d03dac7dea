// The database of the tasks: SQLite in memory, with Drizzle. SQLite comes as WebAssembly, so that the example needs no compiler.
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import sqlite, { type SQLiteValue } from 'node-sqlite3-wasm'

export const taskTable = sqliteTable('tasks', {
  id: integer().primaryKey({ autoIncrement: true }),
  tenant: text().notNull(),
  title: text().notNull(),
  done: integer({ mode: 'boolean' }).notNull().default(false)
})

const SCHEMA = `
  CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    title TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX tasks_of_tenant ON tasks (tenant, id);`

/** Opens a new database with an empty table. */
export function openDatabase () {
  const database = new sqlite.Database(':memory:')
  database.exec(SCHEMA)
  // With better-sqlite3, this is drizzle(new Database('tasks.db')), of drizzle-orm/better-sqlite3.
  const db = drizzle(async (query, values: SQLiteValue[]) => ({ rows: database.all(query, values).map(row => Object.values(row)) }))
  return { db, close: () => database.close() }
}
