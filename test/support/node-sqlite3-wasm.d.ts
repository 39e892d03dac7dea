// The types of node-sqlite3-wasm, as far as the tests and the example app use it.
declare module 'node-sqlite3-wasm' {
  export type SQLiteValue = string | number | bigint | boolean | Uint8Array | null
  export class Database {
    constructor (file?: string)
    all (sql: string, values?: readonly SQLiteValue[]): Array<Record<string, SQLiteValue>>
    run (sql: string, values?: readonly SQLiteValue[]): { changes: number, lastInsertRowid: number | bigint }
    exec (sql: string): void
    close (): void
  }
  const sqlite: { readonly Database: typeof Database }
  export default sqlite
}
